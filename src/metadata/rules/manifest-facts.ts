import type { ChangeFacts } from '../outbox.ts'
import type { NewManifest } from '../records.ts'
import type { Statement } from './bind.ts'
import { rowsAtOnce, type Transaction } from './change.ts'
import { manifestById } from './statements/manifests.ts'
import { tagCountOf } from './statements/tags.ts'

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

/** The facts of a manifest and its tags; to be called before it is removed. `first`: what `tagsOf` has found. */
export async function factsBefore(
  transaction: Transaction,
  manifest: DescribedManifest & { readonly id: number },
  first: readonly string[],
): Promise<ChangeFacts> {
  const count =
    first.length < rowsAtOnce
      ? first.length
      : ((await transaction.get(tagCountOf, { manifest: manifest.id }))?.count ?? 0)
  return {
    ...factsIn(manifest),
    tags: first.slice(0, mostTags).map((name) => ({ name, before: manifest.digest })),
    ...(count > mostTags && { tagCount: count }),
  }
}

export async function factsOfId(transaction: Transaction, manifest: number): Promise<ChangeFacts> {
  const row = await transaction.get(manifestById, { manifest })
  return row === undefined ? {} : factsIn(row)
}

type DescribedManifest = typeof manifestById extends Statement<infer Row> ? Row : never

function factsIn(row: DescribedManifest): ChangeFacts {
  return {
    digest: row.digest,
    size: row.size,
    mediaType: row.media_type,
    artifactType: row.artifact_type ?? undefined,
    subject: row.subject ?? undefined,
  }
}
