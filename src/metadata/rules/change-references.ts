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

/** Up to so many rows, a statement for each is faster than one with a list. Most manifests refer to no more. */
const fewRows = 8

type LinkedBlob = typeof linkedBlob extends Statement<infer Row> ? Row : never
type HeldManifest = typeof manifestsAmong extends Statement<infer Row> ? Row : never

/** Of at most `rowsAtOnce` references those that are blobs of the repository, in no order. */
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

/** Of at most `rowsAtOnce` references those that are manifests of the repository, in no order. */
export async function heldManifests(
  transaction: Transaction,
  repository: number,
  references: readonly ManifestReference[],
): Promise<readonly HeldManifest[]> {
  if (references.length === 0) return []
  return transaction.all(manifestsAmong, { repository, list: listOf(references) })
}

function listOf(references: readonly ManifestReference[]): string {
  return JSON.stringify(references.map(({ digest }) => digest))
}

/** Stores what a new manifest refers to; any number of references. */
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
