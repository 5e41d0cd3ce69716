import type { RepositoryName } from '../../oci/repository-name.ts'
import type { ManifestReference } from '../records.ts'
import { after, inParts, together, type Transaction } from './change.ts'
import type { Statement } from './bind.ts'
import {
  insertReference,
  insertReferences,
  linkedAmong,
  linkedBlob,
  manifestsAmong,
} from './statements/manifests.ts'

type LinkedBlob = typeof linkedBlob extends Statement<infer Row> ? Row : never
type StoredManifest = typeof manifestsAmong extends Statement<infer Row> ? Row : never

/** What a repository holds of references. */
interface HeldContent {
  /** In no particular order. */
  readonly blobs: readonly LinkedBlob[]
  /** Sizes by digest. What is linked as a blob counts as that, even if it is a manifest, too. */
  readonly sizes: ReadonlyMap<string, number>
}

/**
 * Looks for the references of one part. Any required one may turn out to be a manifest; those for which
 * `mayBeManifest` says that this is likely are looked for in one flight with the blobs.
 */
export function heldContent(
  transaction: Transaction,
  name: RepositoryName,
  {
    references,
    mayBeManifest,
  }: {
    readonly references: readonly ManifestReference[]
    readonly mayBeManifest: (reference: ManifestReference) => boolean
  },
): HeldContent | Promise<HeldContent> {
  const likely = references.filter((reference) => reference.required && mayBeManifest(reference))
  const looked = together([
    linkedBlobs(
      transaction,
      name,
      references.filter(({ kind }) => kind !== 'manifest'),
    ),
    heldManifests(transaction, name, likely),
  ])
  return after(looked, ([blobs, manifests]) => {
    const sizes = new Map([...manifests, ...blobs].map(({ digest, size }) => [digest, size]))
    const rest = references.filter(
      (reference) => reference.required && !sizes.has(reference.digest) && !mayBeManifest(reference),
    )
    return after(heldManifests(transaction, name, rest), (more) => {
      for (const { digest, size } of more) sizes.set(digest, size)
      return { blobs, sizes }
    })
  })
}

function linkedBlobs(
  transaction: Transaction,
  name: RepositoryName,
  references: readonly ManifestReference[],
): readonly LinkedBlob[] | Promise<readonly LinkedBlob[]> {
  if (references.length === 0) return []
  if (references.length > transaction.rows.few)
    return transaction.all(linkedAmong, { name, list: listOf(references) })
  const list = references.map(({ digest }) => ({ name, digest }))
  return after(transaction.getEach(linkedBlob, list), (found) => found.filter((blob) => blob !== undefined))
}

function heldManifests(
  transaction: Transaction,
  name: RepositoryName,
  references: readonly ManifestReference[],
): readonly StoredManifest[] | Promise<readonly StoredManifest[]> {
  if (references.length === 0) return []
  return transaction.all(manifestsAmong, { name, list: listOf(references) })
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
  if (references.length <= transaction.rows.few) {
    for (const { digest: child, kind, required } of references)
      transaction.send(insertReference, { repository, child, manifest, kind, required: required ? 1 : 0 })
    return
  }
  for (const part of inParts(references, transaction.rows)) {
    const list = part.map(({ digest: child, kind, required }) => [child, kind, required ? 1 : 0])
    transaction.send(insertReferences, { repository, manifest, list: JSON.stringify(list) })
    await transaction.turn(part.length)
  }
}
