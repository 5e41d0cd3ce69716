import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Tag } from '../../oci/tag.ts'
import type { ChangeNote } from '../outbox.ts'
import type { Instant, RemovalResult } from '../records.ts'
import { durable, type Transaction } from './change.ts'
import { noteChange } from './change-outbox.ts'
import { findRepository } from './change-repositories.ts'
import { factsBefore, factsOfId } from './manifest-facts.ts'
import { noteUntagged, touchTags } from './manifest-tags.ts'
import { anyParent } from './statements/blobs.ts'
import {
  childrenOf,
  linkedBlob,
  manifestByDigest,
  removeBody,
  removeManifest,
  removeReferencesOf,
  removeTag,
  removeTagsOf,
  renewUntaggedReferrers,
  setReferenced,
  setUntagged,
  tagByName,
} from './statements/manifests.ts'

export const deleteTag = durable(
  async (
    transaction: Transaction,
    {
      repository: name,
      tag,
      now,
      note,
    }: {
      readonly repository: RepositoryName
      readonly tag: Tag
      readonly now: Instant
      readonly note?: ChangeNote | undefined
    },
  ): Promise<boolean> => {
    const repository = await findRepository(transaction, name)
    if (repository === undefined) return false
    const current = await transaction.get(tagByName, { repository, tag })
    if (current === undefined) return false
    await transaction.run(removeTag, { repository, tag })
    await noteUntagged(transaction, current.manifest_id, now)
    transaction.touched.tag(name, tag)
    await noteChange(transaction, { note, now }, async () => {
      const facts = await factsOfId(transaction, current.manifest_id)
      return { ...facts, tags: [{ name: tag, before: facts['digest'] }] }
    })
    return true
  },
)

export const deleteManifest = durable(
  async (
    transaction: Transaction,
    {
      repository: name,
      digest,
      now,
      note,
    }: {
      readonly repository: RepositoryName
      readonly digest: Digest
      readonly now: Instant
      readonly note?: ChangeNote | undefined
    },
  ): Promise<RemovalResult> => {
    const repository = await findRepository(transaction, name)
    if (repository === undefined) return { kind: 'unknown' }
    if ((await transaction.get(manifestByDigest, { repository, digest })) === undefined)
      return { kind: 'unknown' }
    const parent = await transaction.get(anyParent, { repository, digest })
    if (parent !== undefined) return { kind: 'in-use', manifest: parent.digest as Digest }
    const facts = note === undefined ? {} : await factsBefore(transaction, repository, digest)
    await dropManifest(transaction, { repository, name, digest, now })
    await noteChange(transaction, { note, now }, () => facts)
    return { kind: 'removed' }
  },
)

/** For one whose bytes are not its digest's: it goes although others need it. False when there was none. */
export const discardManifest = durable(
  async (
    transaction: Transaction,
    values: { readonly repository: RepositoryName; readonly digest: Digest; readonly now: Instant },
  ): Promise<boolean> => {
    const { repository: name, digest, now } = values
    const repository = await findRepository(transaction, name)
    return repository !== undefined && dropManifest(transaction, { repository, name, digest, now })
  },
)

/** The manifest, its tags and its references; what only it needed begins its grace period now. */
export async function dropManifest(
  transaction: Transaction,
  at: {
    readonly repository: number
    readonly name: RepositoryName
    readonly digest: Digest
    readonly now: Instant
  },
): Promise<boolean> {
  const { repository, name, digest, now } = at
  const manifest = (await transaction.get(manifestByDigest, { repository, digest }))?.id
  if (manifest === undefined) return false
  await touchTags(transaction, name, manifest)
  transaction.touched.manifest(name, digest)
  await transaction.run(removeTagsOf, { manifest })
  const children = await transaction.all(childrenOf, { manifest })
  await transaction.run(removeReferencesOf, { manifest })
  for (const { child } of children) {
    if ((await transaction.get(anyParent, { repository, digest: child })) === undefined) {
      await noteUnreferenced(transaction, { repository, name, child: child as Digest, now })
    }
  }
  await transaction.run(renewUntaggedReferrers, { repository, subject: digest, now })
  await transaction.run(removeBody, { manifest })
  await transaction.run(removeManifest, { manifest })
  return true
}

async function noteUnreferenced(
  transaction: Transaction,
  at: {
    readonly repository: number
    readonly name: RepositoryName
    readonly child: Digest
    readonly now: Instant
  },
): Promise<void> {
  const { repository, name, child, now } = at
  const blob = await transaction.get(linkedBlob, { repository, digest: child })
  if (blob !== undefined) {
    await transaction.run(setReferenced, { repository, blob: blob.id, since: now })
    transaction.touched.link(name, child)
  }
  const manifest = await transaction.get(manifestByDigest, { repository, digest: child })
  if (manifest !== undefined && manifest.untagged_since !== null) {
    await transaction.run(setUntagged, { manifest: manifest.id, since: now })
  }
}
