import type { Instant } from '../../instant.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Tag } from '../../oci/tag.ts'
import type { ManifestReference, NewManifest, PutManifestResult } from '../records.ts'
import type { Statement } from './bind.ts'
import { after, durable, inParts, together, type Transaction } from './change.ts'
import { auditChange, auditRoom } from './change-outbox.ts'
import { keepMovedTags, pastOfNewTag, pusherName, type StoredTag, type TagPast } from './change-history.ts'
import { requireGeneration } from './change-policy.ts'
import { addReferences, heldContent } from './change-references.ts'
import { madeRepository } from './change-repositories.ts'
import { addsManifests, changesRepository, judged } from './locks.ts'
import { factsOf } from './manifest-facts.ts'
import { touchTags } from './manifest-tags.ts'
import { removePastManifest } from './statements/history.ts'
import {
  insertBody,
  insertManifest,
  manifestEver,
  noteUntagged,
  setReferencedAmong,
  setUntagged,
  updateMediaType,
} from './statements/manifests.ts'
import { insertTag, moveTag, renewTag, tagEver } from './statements/tags.ts'
import { repositoryEver } from './statements/repositories.ts'

export const putManifest = durable(
  {
    locks: (manifest) => [
      ...(refersToBlobsOnly(manifest)
        ? addsManifests(manifest.repository)
        : [changesRepository(manifest.repository)]),
      ...judged(manifest.policyGeneration),
    ],
    parts: ({ digest, tags }) => [digest, ...tags],
  },
  async (transaction: Transaction, manifest: NewManifest): Promise<PutManifestResult> => {
    const { repository: name, now } = manifest
    // The last goes on after its first answer: what throws at once must have done so before.
    const [, newId, found, { stored, tags }, room, { links, missing, others }] = await together([
      requireGeneration(transaction, manifest.policyGeneration),
      transaction.newManifestId(),
      transaction.get(repositoryEver, { name }),
      findEarlier(transaction, manifest),
      auditRoom(transaction, manifest),
      resolve(transaction, manifest),
    ])
    if (missing.length > 0) return { kind: 'missing', missing }
    if (others.length > 0) return { kind: 'other-size', others }
    const repository = await madeRepository(transaction, found, { name, now })
    const moved = tags.flatMap(({ stored: tag }) =>
      typeof tag?.manifest_id === 'number' && tag.manifest_id !== stored?.id ? [tag] : [],
    )
    const [id, pasts] = await together([
      store(transaction, repository, { manifest, stored, newId }),
      keepMovedTags(transaction, moved, now),
    ])
    await setAllReferenced(transaction, { repository, name, links })
    for (const tag of tags) {
      const past = tag.stored === undefined ? undefined : pasts[moved.indexOf(tag.stored)]
      pointTag(transaction, { repository, manifest, id, tag, past })
    }
    transaction.touched.manifest(name, manifest.digest)
    const isKnown = typeof stored?.id === 'number'
    // After its tags: another push of this transaction may have taken its last one from it since this one looked.
    if (isKnown && (tags.length > 0 || stored.untagged_since !== null))
      transaction.send(setUntagged, { manifest: id, since: untaggedSince(manifest) })
    await auditChange(transaction, manifest, () => factsOf(manifest, { isKnown, tags }), room)
    return { kind: 'stored' }
  },
)

/**
 * All that it refers to must be there as blobs. What may be missing, or be a manifest, may be pushed as a blob beside it:
 * then neither of the two would see the other.
 */
function refersToBlobsOnly({ references, allowMissing }: NewManifest): boolean {
  return (
    !allowMissing &&
    references.every(({ kind, required }) => required && kind !== 'manifest' && kind !== 'blob')
  )
}

type StoredManifest = typeof manifestEver extends Statement<infer Row> ? Row : never

interface FoundTag {
  readonly name: Tag
  readonly stored: StoredTag | undefined
}

interface Earlier {
  readonly stored: StoredManifest | undefined
  readonly tags: readonly FoundTag[]
}

/** What the repository holds, or has held, of the manifest and its tags. */
function findEarlier(
  transaction: Transaction,
  { repository: name, digest, tags }: NewManifest,
): Earlier | Promise<Earlier> {
  const names = [...new Set(tags)]
  const looked = together([
    transaction.get(manifestEver, { name, digest }),
    transaction.getEach(
      tagEver,
      names.map((tag) => ({ name, tag })),
    ),
  ])
  return after(looked, ([stored, found]) => ({
    stored,
    tags: names.map((tag, index) => ({ name: tag, stored: found[index] })),
  }))
}

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

async function resolve(transaction: Transaction, manifest: NewManifest): Promise<Resolved> {
  const { references } = manifest
  const found: Resolved = { links: [], missing: [], others: [] }
  const isMissing = (reference: ManifestReference): boolean =>
    reference.required && !mayBeAbsent(manifest, reference)
  for (const part of inParts(references, transaction.rows)) {
    const { blobs, sizes } = await heldContent(transaction, manifest.repository, {
      references: part,
      mayBeManifest: ({ kind }) => kind === 'manifest' || kind === 'blob' || manifest.allowMissing,
    })
    for (const row of blobs)
      if (row.unreferenced_since !== null) found.links.push({ digest: row.digest as Digest, blob: row.id })
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
  for (const part of inParts(links, transaction.rows)) {
    const list = JSON.stringify(part.map(({ blob }) => blob))
    transaction.send(setReferencedAmong, { repository, list, since: null })
    for (const { digest } of part) transaction.touched.link(name, digest)
    await transaction.turn(part.length)
  }
}

/** Stores a new manifest, or renews one that is stored; resolves to the id of its row. */
async function store(
  transaction: Transaction,
  repository: number,
  put: {
    readonly manifest: NewManifest
    readonly stored: StoredManifest | undefined
    /** For a new one. */
    readonly newId: number | undefined
  },
): Promise<number> {
  const { manifest, stored, newId } = put
  const { digest, mediaType, now } = manifest
  if (stored !== undefined && stored.id !== null) {
    const { id } = stored
    transaction.send(updateMediaType, { manifest: id, mediaType, now })
    if (stored.media_type !== mediaType)
      await touchTags(transaction, { repository, name: manifest.repository, manifest: id })
    return id
  }
  if (stored !== undefined) transaction.send(removePastManifest, { repository, digest })
  const row = {
    id: newId,
    repository,
    digest,
    mediaType,
    artifactType: manifest.artifactType,
    subject: manifest.subject,
    size: manifest.body.byteLength,
    annotations: manifest.annotations,
    now,
    untaggedSince: untaggedSince(manifest),
    firstSeen: stored?.first_seen ?? now,
    atLatest: stored?.seen_at_latest ?? 0,
    pusher: stored === undefined ? pusherName(manifest.pusher) : stored.pusher,
  }
  const id = newId ?? (await transaction.run(insertManifest, row)).id
  if (newId !== undefined) transaction.send(insertManifest, row)
  transaction.send(insertBody, { manifest: id, body: manifest.body })
  await addReferences(transaction, { repository, manifest: id }, manifest.references)
  return id
}

function untaggedSince({ tags, now }: NewManifest): Instant | null {
  return tags.length > 0 ? null : now
}

/** `past`: of a tag that leaves another manifest. */
function pointTag(
  transaction: Transaction,
  point: {
    readonly repository: number
    readonly manifest: NewManifest
    readonly id: number
    readonly tag: FoundTag
    readonly past: TagPast | undefined
  },
): void {
  const { repository, manifest, id, past } = point
  const { name: tag, stored } = point.tag
  const { now } = manifest
  const target = { repository, tag, manifest: id, now, pusher: pusherName(manifest.pusher) }
  if (past !== undefined) {
    transaction.send(moveTag, { ...target, ...past })
    transaction.send(noteUntagged, { manifest: stored?.manifest_id, now })
  } else if (stored?.manifest_id === id) transaction.send(renewTag, target)
  else transaction.send(insertTag, { ...target, ...pastOfNewTag(transaction, stored, now) })
  transaction.touched.tag(manifest.repository, tag)
}
