import type { Digest } from '../../oci/digest.ts'
import type { Tag } from '../../oci/tag.ts'
import type { ManifestReference, NewManifest, PutManifestResult } from '../records.ts'
import { durable, type Transaction } from './change.ts'
import { noteChange } from './change-outbox.ts'
import { ensureRepository, findRepository } from './change-repositories.ts'
import { factsOf } from './manifest-facts.ts'
import { noteUntagged, touchTags } from './manifest-tags.ts'
import {
  insertBody,
  insertManifest,
  insertReference,
  linkedBlob,
  manifestByDigest,
  setReferenced,
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
    for (const { blob, unreferencedSince, digest } of links) {
      if (unreferencedSince === null) continue
      await transaction.run(setReferenced, { repository, blob, since: null })
      transaction.touched.link(manifest.repository, digest)
    }
    for (const tag of manifest.tags) await moveTag(transaction, { repository, manifest, tag, id })
    transaction.touched.manifest(manifest.repository, manifest.digest)
    await noteChange(transaction, manifest, () => facts)
    return { kind: 'stored' }
  },
)

interface ResolvedLink {
  readonly digest: Digest
  readonly blob: number
  readonly unreferencedSince: number | null
}

async function resolve(
  transaction: Transaction,
  repository: number | undefined,
  references: readonly ManifestReference[],
): Promise<{ links: ResolvedLink[]; missing: ManifestReference[] }> {
  if (repository === undefined) return { links: [], missing: references.filter(({ required }) => required) }
  const links: ResolvedLink[] = []
  const missing: ManifestReference[] = []
  for (const reference of references) {
    const { digest } = reference
    const link =
      reference.kind === 'manifest' ? undefined : await transaction.get(linkedBlob, { repository, digest })
    if (link !== undefined) links.push({ digest, blob: link.id, unreferencedSince: link.unreferenced_since })
    else if (reference.required && !(await transaction.get(manifestByDigest, { repository, digest }))) {
      missing.push(reference)
    }
  }
  return { links, missing }
}

async function store(transaction: Transaction, repository: number, manifest: NewManifest): Promise<number> {
  const { digest, mediaType, now } = manifest
  const known = await transaction.get(manifestByDigest, { repository, digest })
  if (known !== undefined) {
    await transaction.run(updateMediaType, { manifest: known.id, mediaType, now })
    if (known.media_type !== mediaType) await touchTags(transaction, manifest.repository, known.id)
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
    annotations: manifest.annotations === undefined ? null : JSON.stringify(manifest.annotations),
    now,
    untaggedSince: manifest.tags.length > 0 ? null : now,
  })
  await transaction.run(insertBody, { manifest: id, body: manifest.body })
  for (const reference of manifest.references) {
    await transaction.run(insertReference, {
      repository,
      child: reference.digest,
      manifest: id,
      kind: reference.kind,
      required: reference.required ? 1 : 0,
    })
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
