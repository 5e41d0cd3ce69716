import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Tag } from '../../oci/tag.ts'
import type { Instant } from '../records.ts'
import type { Transaction } from './change.ts'
import { anyTagOf, setUntagged, tagsOf } from './statements/manifests.ts'

// What putting and removing manifests share.

export async function touchTags(
  transaction: Transaction,
  name: RepositoryName,
  manifest: number,
): Promise<void> {
  for (const { name: tag } of await transaction.all(tagsOf, { manifest })) {
    transaction.touched.tag(name, tag as Tag)
  }
}

export async function noteUntagged(transaction: Transaction, manifest: number, now: Instant): Promise<void> {
  if ((await transaction.get(anyTagOf, { manifest })) === undefined) {
    await transaction.run(setUntagged, { manifest, since: now })
  }
}
