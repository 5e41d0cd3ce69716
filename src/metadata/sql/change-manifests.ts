import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Tag } from '../../oci/tag.ts'
import type { ManifestReference, NewManifest, PutManifestResult } from '../records.ts'
import { durable, inParts, type Transaction } from './change.ts'
import { noteChange } from './change-outbox.ts'
import { ensureRepository, findRepository } from './change-repositories.ts'
import { factsOf } from './manifest-facts.ts'
import { noteUntagged, touchTags } from './manifest-tags.ts'
import {
  insertBody,
  insertManifest,
  insertReferences,
  linkedAmong,
  manifestByDigest,
  manifestsAmong,
  setReferencedAmong,
  setTag,
  setUntagged,
  tagByName,
  updateMediaType,
} from './statements/manifests.ts'

export const putManifest = durable(
  async (transaction: Transaction, manifest: NewManifest): Promise<PutManifestResult> => {
    const { now } = manifest
    const known = await findRepository(transaction, manifest.repository)
    const { links, missing } = await resolve(transaction, known, manifest.references)
    if (missing.length > 0 && !manifest.allowMissing) return { kind: 'missing', missing }
    const repository = known ?? (await ensureRepository(transaction, manifest.repository, now))
    const facts = manifest.note === undefined ? {} : await factsOf(transaction, repository, manifest)
    const id = await store(transaction, repository, manifest)
    await setAllReferenced(transaction, { repository, name: manifest.repository, links })
    for (const tag of manifest.tags) await moveTag(transaction, { repository, manifest, tag, id })
    transaction.touched.manifest(manifest.repository, manifest.digest)
    await noteChange(transaction, manifest, () => facts)
    return { kind: 'stored' }
  },
)

/** A client that pushed none of its content is told of so much of it. */
const mostMissing = 100

interface UnreferencedLink {
  readonly digest: Digest
  readonly blob: number
}

/** The links that nothing needed so far, and the first of what is missing. */
async function resolve(
  transaction: Transaction,
  repository: number | undefined,
  references: readonly ManifestReference[],
): Promise<{ links: UnreferencedLink[]; missing: ManifestReference[] }> {
  if (repository === undefined) {
    return { links: [], missing: references.filter(({ required }) => required).slice(0, mostMissing) }
  }
  const links: UnreferencedLink[] = []
  const missing: ManifestReference[] = []
  for (const part of inParts(references)) {
    const known = new Set<string>()
    const blobs = part.filter(({ kind }) => kind !== 'manifest')
    for (const row of blobs.length === 0
      ? []
      : await transaction.all(linkedAmong, { repository, list: listOf(blobs) })) {
      known.add(row.digest)
      if (row.unreferenced_since !== null) links.push({ digest: row.digest as Digest, blob: row.id })
    }
    const rest = part.filter(({ digest, required }) => required && !known.has(digest))
    for (const { digest } of rest.length === 0
      ? []
      : await transaction.all(manifestsAmong, { repository, list: listOf(rest) })) {
      known.add(digest)
    }
    missing.push(...rest.filter(({ digest }) => !known.has(digest)))
    if (missing.length >= mostMissing) break
    await transaction.turn(part.length)
  }
  return { links, missing: missing.slice(0, mostMissing) }
}

function listOf(references: readonly ManifestReference[]): string {
  return JSON.stringify(references.map(({ digest }) => digest))
}

async function setAllReferenced(
  transaction: Transaction,
  at: {
    readonly repository: number
    readonly name: RepositoryName
    readonly links: readonly UnreferencedLink[]
  },
): Promise<void> {
  const { repository, name, links } = at
  for (const part of inParts(links)) {
    const list = JSON.stringify(part.map(({ blob }) => blob))
    await transaction.run(setReferencedAmong, { repository, list, since: null })
    for (const { digest } of part) transaction.touched.link(name, digest)
    await transaction.turn(part.length)
  }
}

async function store(transaction: Transaction, repository: number, manifest: NewManifest): Promise<number> {
  const { digest, mediaType, now } = manifest
  const known = await transaction.get(manifestByDigest, { repository, digest })
  if (known !== undefined) {
    await transaction.run(updateMediaType, { manifest: known.id, mediaType, now })
    if (known.media_type !== mediaType) {
      await touchTags(transaction, { repository, name: manifest.repository, manifest: known.id })
    }
    if (known.untagged_since !== null)
      await transaction.run(setUntagged, { manifest: known.id, since: manifest.tags.length > 0 ? null : now })
    return known.id
  }
  const { id } = await transaction.run(insertManifest, {
    repository,
    digest,
    mediaType,
    artifactType: manifest.artifactType,
    subject: manifest.subject,
    size: manifest.body.byteLength,
    annotations: manifest.annotations,
    now,
    untaggedSince: manifest.tags.length > 0 ? null : now,
  })
  await transaction.run(insertBody, { manifest: id, body: manifest.body })
  for (const part of inParts(manifest.references)) {
    const list = part.map(({ digest: child, kind, required }) => [child, kind, required ? 1 : 0])
    await transaction.run(insertReferences, { repository, manifest: id, list: JSON.stringify(list) })
    await transaction.turn(part.length)
  }
  return id
}

async function moveTag(
  transaction: Transaction,
  move: {
    readonly repository: number
    readonly manifest: NewManifest
    readonly tag: Tag
    readonly id: number
  },
): Promise<void> {
  const { repository, manifest, tag, id } = move
  const before = await transaction.get(tagByName, { repository, tag })
  await transaction.run(setTag, { repository, tag, manifest: id, now: manifest.now })
  if (before !== undefined && before.manifest_id !== id) {
    await noteUntagged(transaction, before.manifest_id, manifest.now)
  }
  transaction.touched.tag(manifest.repository, tag)
}
