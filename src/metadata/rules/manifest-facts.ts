import type { Digest } from '../../oci/digest.ts'
import type { ChangeFacts } from '../outbox.ts'
import type { NewManifest } from '../records.ts'
import { together, type Transaction } from './change.ts'
import { manifestById } from './statements/manifests.ts'
import { firstTagsOf, tagCountOf } from './statements/tags.ts'

const mostTags = 100

/** The facts of a push; `before` is what the push has found. */
export function factsOf(
  manifest: NewManifest,
  before: {
    readonly isKnown: boolean
    readonly tags: readonly {
      readonly name: string
      readonly stored: { readonly digest: string | null } | undefined
    }[]
  },
): ChangeFacts {
  const { digest, mediaType, artifactType, subject, body } = manifest
  return {
    digest,
    size: body.byteLength,
    mediaType,
    artifactType,
    subject,
    tags: before.tags
      .slice(0, mostTags)
      .map((tag) => ({ name: tag.name, before: tag.stored?.digest ?? null })),
    ...(before.tags.length > mostTags && { tagCount: before.tags.length }),
    ...(before.isKnown && { known: true }),
  }
}

/** The facts of a manifest and its tags; to be called before it is removed. */
export async function factsBefore(
  transaction: Transaction,
  manifest: number,
  digest: Digest,
): Promise<ChangeFacts> {
  const [facts, tags] = await together([
    factsOfId(transaction, manifest),
    transaction.all(firstTagsOf, { manifest, limit: mostTags }),
  ])
  const count =
    tags.length < mostTags ? tags.length : ((await transaction.get(tagCountOf, { manifest }))?.count ?? 0)
  return {
    ...facts,
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
