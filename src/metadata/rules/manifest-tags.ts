import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Tag } from '../../oci/tag.ts'
import type { Instant } from '../../instant.ts'
import { rowsAtOnce, type Transaction } from './change.ts'
import { keepRemovedTags } from './change-history.ts'
import { removeTags } from './statements/manifests.ts'
import { tagsOfAfter } from './statements/tags.ts'

// Shared by the changes that put and remove manifests.

export interface TaggedManifest {
  readonly repository: number
  readonly name: RepositoryName
  readonly manifest: number
}

/** Touches the manifest's tags, in any number. */
export async function touchTags(
  transaction: Transaction,
  { repository, name, manifest }: TaggedManifest,
): Promise<void> {
  for (let after = ''; ;) {
    const tags = await transaction.all(tagsOfAfter, { repository, manifest, after, limit: rowsAtOnce })
    for (const { name: tag } of tags) transaction.touched.tag(name, tag as Tag)
    if (tags.length < rowsAtOnce) return
    after = tags.at(-1)?.name ?? ''
    await transaction.turn(tags.length)
  }
}

export async function dropTags(
  transaction: Transaction,
  { repository, name, manifest, now }: TaggedManifest & { readonly now: Instant },
): Promise<void> {
  for (;;) {
    const tags = await transaction.all(tagsOfAfter, { repository, manifest, after: '', limit: rowsAtOnce })
    if (tags.length === 0) return
    const names = tags.map(({ name: tag }) => tag)
    await keepRemovedTags(transaction, { repository, tags: names, now })
    transaction.send(removeTags, { repository, list: JSON.stringify(names) })
    for (const tag of names) transaction.touched.tag(name, tag as Tag)
    if (tags.length < rowsAtOnce) return
    await transaction.turn(4 * tags.length)
  }
}
