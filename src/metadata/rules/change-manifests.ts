import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Tag } from '../../oci/tag.ts'
import type { ManifestReference, NewManifest, PutManifestResult } from '../records.ts'
import { durable, inParts, type Transaction } from './change.ts'
import { auditChange } from './change-outbox.ts'
import { keepMovedTag, pastOfNewTag, pusherName, takeFirstSeen } from './change-history.ts'
import { requireGeneration } from './change-policy.ts'
import { addReferences, heldManifests, linkedBlobs } from './change-references.ts'
import { ensureRepository, findRepository } from './change-repositories.ts'
import { changesRepository, judged } from './locks.ts'
import { factsOf } from './manifest-facts.ts'
import { noteUntagged, touchTags } from './manifest-tags.ts'
import {
  insertBody,
  insertManifest,
  insertTag,
  manifestByDigest,
  moveTag as pointTag,
  renewTag,
  setReferencedAmong,
  setUntagged,
  tagByName,
  updateMediaType,
} from './statements/manifests.ts'

export const putManifest = durable(
  {
    locks: ({ repository, policyGeneration }) => [changesRepository(repository), ...judged(policyGeneration)],
  },
  async (transaction: Transaction, manifest: NewManifest): Promise<PutManifestResult> => {
    const { now } = manifest
    await requireGeneration(transaction, manifest.policyGeneration)
    const known = await findRepository(transaction, manifest.repository)
    const { links, missing, others } = await resolve(transaction, known, manifest)
    if (missing.length > 0) return { kind: 'missing', missing }
    if (others.length > 0) return { kind: 'other-size', others }
    const repository = known ?? (await ensureRepository(transaction, manifest.repository, now))
    const facts = manifest.auditRecord === undefined ? {} : await factsOf(transaction, repository, manifest)
    const id = await store(transaction, repository, manifest)
    await setAllReferenced(transaction, { repository, name: manifest.repository, links })
    for (const tag of manifest.tags) await moveTag(transaction, { repository, manifest, tag, id })
    transaction.touched.manifest(manifest.repository, manifest.digest)
    await auditChange(transaction, manifest, () => facts)
    return { kind: 'stored' }
  },
)

/** At most this many missing references are reported to the client. */
const mostMissing = 100

interface UnreferencedLink {
  readonly digest: Digest
  readonly blob: number
}

interface Resolved {
  /** Links that no manifest has referred to until now. */
  readonly links: UnreferencedLink[]
  /** The first required references that are missing. */
  readonly missing: ManifestReference[]
  /** The first references whose stored content has another size than the manifest says. */
  readonly others: { readonly reference: ManifestReference; readonly size: number }[]
}

async function resolve(
  transaction: Transaction,
  repository: number | undefined,
  manifest: NewManifest,
): Promise<Resolved> {
  const { references } = manifest
  const found: Resolved = { links: [], missing: [], others: [] }
  const isMissing = (reference: ManifestReference): boolean =>
    reference.required && !mayBeAbsent(manifest, reference)
  if (repository === undefined) {
    return { ...found, missing: references.filter(isMissing).slice(0, mostMissing) }
  }
  for (const part of inParts(references)) {
    const sizes = new Map<string, number>()
    for (const row of await linkedBlobs(transaction, repository, part)) {
      sizes.set(row.digest, row.size)
      if (row.unreferenced_since !== null) found.links.push({ digest: row.digest as Digest, blob: row.id })
    }
    const rest = part.filter(({ digest, required }) => required && !sizes.has(digest))
    for (const { digest, size } of await heldManifests(transaction, repository, rest)) sizes.set(digest, size)
    for (const reference of part) {
      const size = sizes.get(reference.digest)
      if (size === undefined) {
        if (isMissing(reference)) found.missing.push(reference)
      } else if (size !== reference.size) found.others.push({ reference, size })
    }
    if (found.missing.length >= mostMissing || found.others.length >= mostMissing) break
    await transaction.turn(part.length)
  }
  found.missing.splice(mostMissing)
  found.others.splice(mostMissing)
  return found
}

/** Only an index has references of kind `manifest` or `blob`: its children. */
function mayBeAbsent(manifest: NewManifest, { kind }: ManifestReference): boolean {
  return kind === 'manifest' || kind === 'blob' ? manifest.allowSparseIndex : manifest.allowMissing
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
  const seen = await takeFirstSeen(transaction, { repository, digest })
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
    firstSeen: now,
    atLatest: 0,
    pusher: pusherName(manifest.pusher),
    ...seen,
  })
  await transaction.run(insertBody, { manifest: id, body: manifest.body })
  await addReferences(transaction, { repository, manifest: id }, manifest.references)
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
  const { now } = manifest
  const before = await transaction.get(tagByName, { repository, tag })
  const target = { repository, tag, manifest: id, now, pusher: pusherName(manifest.pusher) }
  if (before === undefined)
    await transaction.run(insertTag, { ...target, ...(await pastOfNewTag(transaction, target, now)) })
  else if (before.manifest_id === id) await transaction.run(renewTag, target)
  else {
    await transaction.run(pointTag, { ...target, ...(await keepMovedTag(transaction, before, now)) })
    await noteUntagged(transaction, before.manifest_id, now)
  }
  transaction.touched.tag(manifest.repository, tag)
}
