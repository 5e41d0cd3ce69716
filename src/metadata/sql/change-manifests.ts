import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Tag } from '../../oci/tag.ts'
import type {
  ChangeNote,
  Instant,
  ManifestReference,
  NewManifest,
  PutManifestResult,
} from '../metadata-store.ts'
import { durable, type Transaction } from './change.ts'
import { factsBefore, factsOf, factsOfId } from './manifest-facts.ts'
import { noteChange } from './change-outbox.ts'
import { ensureRepository, findRepository } from './change-repositories.ts'
import { compile, parameter, sqliteQueries } from './statement.ts'

const queries = sqliteQueries()

const manifestByDigest = compile(
  queries
    .selectFrom('manifest')
    .select(['id', 'media_type', 'untagged_since'])
    .where('repository_id', '=', parameter<number>('repository'))
    .where('digest', '=', parameter<string>('digest')),
)
const linkedBlob = compile(
  queries
    .selectFrom('blob')
    .innerJoin('repository_blob', 'repository_blob.blob_id', 'blob.id')
    .select(['blob.id', 'repository_blob.unreferenced_since'])
    .where('blob.digest', '=', parameter<string>('digest'))
    .where('repository_blob.repository_id', '=', parameter<number>('repository')),
)
const setReferenced = compile(
  queries
    .updateTable('repository_blob')
    .set({ unreferenced_since: parameter<number | null>('since') })
    .where('repository_id', '=', parameter<number>('repository'))
    .where('blob_id', '=', parameter<number>('blob')),
)
const insertManifest = compile(
  queries.insertInto('manifest').values({
    repository_id: parameter<number>('repository'),
    digest: parameter<string>('digest'),
    media_type: parameter<string>('mediaType'),
    artifact_type: parameter<string | null>('artifactType'),
    subject: parameter<string | null>('subject'),
    size: parameter<number>('size'),
    annotations: parameter<string | null>('annotations'),
    pushed_at: parameter<number>('now'),
    untagged_since: parameter<number | null>('untaggedSince'),
  }),
)
const updateMediaType = compile(
  queries
    .updateTable('manifest')
    .set({ media_type: parameter<string>('mediaType'), pushed_at: parameter<number>('now') })
    .where('id', '=', parameter<number>('manifest')),
)
const insertBody = compile(
  queries
    .insertInto('manifest_body')
    .values({ manifest_id: parameter<number>('manifest'), body: parameter<Uint8Array>('body') }),
)
const insertReference = compile(
  queries
    .insertInto('manifest_reference')
    .values({
      repository_id: parameter<number>('repository'),
      child: parameter<string>('child'),
      manifest_id: parameter<number>('manifest'),
      kind: parameter<string>('kind'),
      required: parameter<number>('required'),
    })
    .onConflict((conflict) => conflict.doNothing()),
)
const tagByName = compile(
  queries
    .selectFrom('tag')
    .select('manifest_id')
    .where('repository_id', '=', parameter<number>('repository'))
    .where('name', '=', parameter<string>('tag')),
)
const setTag = compile(
  queries
    .insertInto('tag')
    .values({
      repository_id: parameter<number>('repository'),
      name: parameter<string>('tag'),
      manifest_id: parameter<number>('manifest'),
      updated_at: parameter<number>('now'),
    })
    .onConflict((conflict) =>
      conflict
        .columns(['repository_id', 'name'])
        .doUpdateSet({ manifest_id: parameter<number>('manifest'), updated_at: parameter<number>('now') }),
    ),
)
const removeTag = compile(
  queries
    .deleteFrom('tag')
    .where('repository_id', '=', parameter<number>('repository'))
    .where('name', '=', parameter<string>('tag')),
)
const tagsOf = compile(
  queries.selectFrom('tag').select('name').where('manifest_id', '=', parameter<number>('manifest')),
)
const anyTagOf = compile(
  queries.selectFrom('tag').select('name').where('manifest_id', '=', parameter<number>('manifest')).limit(1),
)
const removeTagsOf = compile(
  queries.deleteFrom('tag').where('manifest_id', '=', parameter<number>('manifest')),
)
const setUntagged = compile(
  queries
    .updateTable('manifest')
    .set({ untagged_since: parameter<number | null>('since') })
    .where('id', '=', parameter<number>('manifest')),
)
const childrenOf = compile(
  queries
    .selectFrom('manifest_reference')
    .select(['child', 'kind'])
    .where('manifest_id', '=', parameter<number>('manifest')),
)
const removeReferencesOf = compile(
  queries.deleteFrom('manifest_reference').where('manifest_id', '=', parameter<number>('manifest')),
)
const anyParent = compile(
  queries
    .selectFrom('manifest_reference')
    .select('manifest_id')
    .where('repository_id', '=', parameter<number>('repository'))
    .where('child', '=', parameter<string>('child'))
    .limit(1),
)
const removeManifest = compile(queries.deleteFrom('manifest').where('id', '=', parameter<number>('manifest')))
const removeBody = compile(
  queries.deleteFrom('manifest_body').where('manifest_id', '=', parameter<number>('manifest')),
)
const renewUntaggedReferrers = compile(
  queries
    .updateTable('manifest')
    .set({ untagged_since: parameter<number>('now') })
    .where('repository_id', '=', parameter<number>('repository'))
    .where('subject', '=', parameter<string>('subject'))
    .where('untagged_since', 'is not', null),
)

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
    if (manifest.tags.length > 0) await transaction.run(setUntagged, { manifest: id, since: null })
    transaction.touched.manifest(manifest.repository, manifest.digest)
    await noteChange(transaction, manifest, () => facts)
    return { kind: 'stored' }
  },
)

export const deleteTag = durable(
  async (
    transaction: Transaction,
    {
      repository: name,
      tag,
      now,
      note,
    }: {
      readonly repository: RepositoryName
      readonly tag: Tag
      readonly now: Instant
      readonly note?: ChangeNote | undefined
    },
  ): Promise<boolean> => {
    const repository = await findRepository(transaction, name)
    if (repository === undefined) return false
    const current = await transaction.get(tagByName, { repository, tag })
    if (current === undefined) return false
    await transaction.run(removeTag, { repository, tag })
    await noteUntagged(transaction, current.manifest_id, now)
    transaction.touched.tag(name, tag)
    await noteChange(transaction, { note, now }, async () => {
      const facts = await factsOfId(transaction, current.manifest_id)
      return { ...facts, tags: [{ name: tag, before: facts['digest'] }] }
    })
    return true
  },
)

export const deleteManifest = durable(
  async (
    transaction: Transaction,
    {
      repository: name,
      digest,
      now,
      note,
    }: {
      readonly repository: RepositoryName
      readonly digest: Digest
      readonly now: Instant
      readonly note?: ChangeNote | undefined
    },
  ): Promise<boolean> => {
    const repository = await findRepository(transaction, name)
    if (repository === undefined) return false
    const facts = note === undefined ? {} : await factsBefore(transaction, repository, digest)
    if (!(await dropManifest(transaction, { repository, name, digest, now }))) return false
    await noteChange(transaction, { note, now }, () => facts)
    return true
  },
)

/** The manifest, its tags and its references; what only it needed begins its grace period now. */
export async function dropManifest(
  transaction: Transaction,
  at: {
    readonly repository: number
    readonly name: RepositoryName
    readonly digest: Digest
    readonly now: Instant
  },
): Promise<boolean> {
  const { repository, name, digest, now } = at
  const manifest = (await transaction.get(manifestByDigest, { repository, digest }))?.id
  if (manifest === undefined) return false
  await touchTags(transaction, name, manifest)
  transaction.touched.manifest(name, digest)
  await transaction.run(removeTagsOf, { manifest })
  const children = await transaction.all(childrenOf, { manifest })
  await transaction.run(removeReferencesOf, { manifest })
  for (const { child } of children) {
    if ((await transaction.get(anyParent, { repository, child })) === undefined) {
      await noteUnreferenced(transaction, { repository, name, child: child as Digest, now })
    }
  }
  await transaction.run(renewUntaggedReferrers, { repository, subject: digest, now })
  await transaction.run(removeBody, { manifest })
  await transaction.run(removeManifest, { manifest })
  return true
}

async function touchTags(transaction: Transaction, name: RepositoryName, manifest: number): Promise<void> {
  for (const { name: tag } of await transaction.all(tagsOf, { manifest })) {
    transaction.touched.tag(name, tag as Tag)
  }
}

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
    if (known.untagged_since !== null) await transaction.run(setUntagged, { manifest: known.id, since: now })
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

async function noteUntagged(transaction: Transaction, manifest: number, now: Instant): Promise<void> {
  if ((await transaction.get(anyTagOf, { manifest })) === undefined) {
    await transaction.run(setUntagged, { manifest, since: now })
  }
}

async function noteUnreferenced(
  transaction: Transaction,
  at: {
    readonly repository: number
    readonly name: RepositoryName
    readonly child: Digest
    readonly now: Instant
  },
): Promise<void> {
  const { repository, name, child, now } = at
  const blob = await transaction.get(linkedBlob, { repository, digest: child })
  if (blob !== undefined) {
    await transaction.run(setReferenced, { repository, blob: blob.id, since: now })
    transaction.touched.link(name, child)
  }
  const manifest = await transaction.get(manifestByDigest, { repository, digest: child })
  if (manifest !== undefined && manifest.untagged_since !== null) {
    await transaction.run(setUntagged, { manifest: manifest.id, since: now })
  }
}
