import type { Digest } from '../../oci/digest.ts'
import type { ChangeFacts } from '../outbox.ts'
import type { NewManifest } from '../records.ts'
import type { Transaction } from './change.ts'
import {
  digestOfTag,
  firstTagsOf,
  manifestByDigest,
  manifestById,
  tagCountOf,
} from './statements/manifests.ts'

const mostTags = 100

/** The facts of a push; to be called before the push changes anything. */
export async function factsOf(
  transaction: Transaction,
  repository: number,
  manifest: NewManifest,
): Promise<ChangeFacts> {
  const { digest, mediaType, artifactType, subject, body } = manifest
  const tags: { name: string; before: string | null }[] = []
  for (const name of manifest.tags.slice(0, mostTags)) {
    const before = await transaction.get(digestOfTag, { repository, tag: name })
    tags.push({ name, before: before?.digest ?? null })
  }
  const known = (await transaction.get(manifestByDigest, { repository, digest })) !== undefined
  return {
    digest,
    size: body.byteLength,
    mediaType,
    artifactType,
    subject,
    tags,
    ...(manifest.tags.length > mostTags && { tagCount: manifest.tags.length }),
    ...(known && { known }),
  }
}

/** The facts of a manifest and its tags; to be called before it is removed. */
export async function factsBefore(
  transaction: Transaction,
  repository: number,
  digest: Digest,
): Promise<ChangeFacts> {
  const manifest = (await transaction.get(manifestByDigest, { repository, digest }))?.id
  if (manifest === undefined) return {}
  const tags = await transaction.all(firstTagsOf, { manifest, limit: mostTags })
  const count =
    tags.length < mostTags ? tags.length : ((await transaction.get(tagCountOf, { manifest }))?.count ?? 0)
  return {
    ...(await factsOfId(transaction, manifest)),
    tags: tags.map(({ name }) => ({ name, before: digest })),
    ...(count > mostTags && { tagCount: count }),
  }
}

export async function factsOfId(transaction: Transaction, manifest: number): Promise<ChangeFacts> {
  const row = await transaction.get(manifestById, { manifest })
  if (row === undefined) return {}
  return {
    digest: row.digest,
    size: row.size,
    mediaType: row.media_type,
    artifactType: row.artifact_type ?? undefined,
    subject: row.subject ?? undefined,
  }
}
