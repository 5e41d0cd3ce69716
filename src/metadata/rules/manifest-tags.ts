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
    const tags = await tagsOf(transaction, { repository, manifest, after })
    for (const tag of tags) transaction.touched.tag(name, tag as Tag)
    if (tags.length < rowsAtOnce) return
    after = tags.at(-1) ?? ''
    await transaction.turn(tags.length)
  }
}

/** Names of tags of the manifest, up to `rowsAtOnce`. */
export async function tagsOf(
  transaction: Transaction,
  { repository, manifest, after = '' }: Omit<TaggedManifest, 'name'> & { readonly after?: string },
): Promise<readonly string[]> {
  const tags = await transaction.all(tagsOfAfter, { repository, manifest, after, limit: rowsAtOnce })
  return tags.map(({ name }) => name)
}

/** `tags`: the first that `tagsOf` has found, and `lastRemoval` what `lastRemovalOf` has. */
export async function dropTags(
  transaction: Transaction,
  at: TaggedManifest & { readonly now: Instant },
  found: { readonly tags: readonly string[]; readonly lastRemoval: number | undefined },
): Promise<void> {
  const { repository, name, now } = at
  let { tags, lastRemoval = 0 } = found
  while (tags.length > 0) {
    await keepRemovedTags(transaction, { repository, tags, now, lastRemoval })
    lastRemoval += tags.length
    transaction.send(removeTags, { repository, list: JSON.stringify(tags) })
    for (const tag of tags) transaction.touched.tag(name, tag as Tag)
    if (tags.length < rowsAtOnce) return
    await transaction.turn(4 * tags.length)
    tags = await tagsOf(transaction, at)
  }
}
