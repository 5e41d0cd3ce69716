import type { ManifestReference } from '../records.ts'
import { inParts, type Transaction } from './change.ts'
import type { Statement } from './bind.ts'
import {
  insertReference,
  insertReferences,
  linkedAmong,
  linkedBlob,
  manifestsAmong,
} from './statements/manifests.ts'

/**
 * Up to this many rows, one statement per row is faster than one statement with a list. Most manifests have
 * no more references.
 */
const fewRows = 8

type LinkedBlob = typeof linkedBlob extends Statement<infer Row> ? Row : never
type StoredManifest = typeof manifestsAmong extends Statement<infer Row> ? Row : never

/**
 * Of at most `rowsAtOnce` references, returns those that are blobs linked in the repository, in no particular
 * order.
 */
export async function linkedBlobs(
  transaction: Transaction,
  repository: number,
  references: readonly ManifestReference[],
): Promise<readonly LinkedBlob[]> {
  if (references.length > fewRows) {
    const list = listOf(references.filter(({ kind }) => kind !== 'manifest'))
    return transaction.all(linkedAmong, { repository, list })
  }
  const found: LinkedBlob[] = []
  for (const { digest, kind } of references) {
    const blob = kind === 'manifest' ? undefined : await transaction.get(linkedBlob, { repository, digest })
    if (blob !== undefined) found.push(blob)
  }
  return found
}

/**
 * Of at most `rowsAtOnce` references, returns those that are manifests of the repository, in no particular
 * order.
 */
export async function heldManifests(
  transaction: Transaction,
  repository: number,
  references: readonly ManifestReference[],
): Promise<readonly StoredManifest[]> {
  if (references.length === 0) return []
  return transaction.all(manifestsAmong, { repository, list: listOf(references) })
}

function listOf(references: readonly ManifestReference[]): string {
  return JSON.stringify(references.map(({ digest }) => digest))
}

/** Stores the references of a new manifest, in any number. */
export async function addReferences(
  transaction: Transaction,
  { repository, manifest }: { readonly repository: number; readonly manifest: number },
  references: readonly ManifestReference[],
): Promise<void> {
  if (references.length <= fewRows) {
    for (const { digest: child, kind, required } of references) {
      const values = { repository, child, manifest, kind, required: required ? 1 : 0 }
      await transaction.run(insertReference, values)
    }
    return
  }
  for (const part of inParts(references)) {
    const list = part.map(({ digest: child, kind, required }) => [child, kind, required ? 1 : 0])
    await transaction.run(insertReferences, { repository, manifest, list: JSON.stringify(list) })
    await transaction.turn(part.length)
  }
}
