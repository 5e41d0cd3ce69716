import type { DataKey } from '../../blobs/blob-store.ts'
import { isDigest, type Digest, type DigestAlgorithm } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Reference, Tag } from '../../oci/tag.ts'
import type { MetadataReads } from '../metadata-store.ts'
import type {
  BlobLink,
  BlobRecord,
  ManifestRecord,
  Page,
  ReferrerPage,
  ReferrerRecord,
  UploadRecord,
} from '../records.ts'
import { CoherentCache } from '../cache/coherent-cache.ts'
import { linkKey, manifestKey, tagListKey, type Generations } from '../cache/generations.ts'
import * as statements from './statements/reads.ts'
import { repositoryByName } from './statements/repositories.ts'
import type { UntaggedReads } from './sql-untagged.ts'
import type { SharedCache } from '../cache/shared-cache.ts'
import { blobForm, linkForm, manifestForm } from '../cache/shared-forms.ts'
import type { SqliteDatabase } from '../sqlite/sqlite-database.ts'

/** Requests' reads on a connection of this thread's own, behind caches that the generations keep coherent. */
export class SqlReads implements Omit<MetadataReads, keyof UntaggedReads> {
  readonly #database: SqliteDatabase
  readonly #manifests: CoherentCache<ManifestRecord>
  readonly #blobs: CoherentCache<BlobRecord>
  readonly #links: CoherentCache<BlobLink>
  readonly #tags: CoherentCache<Page<Tag>>

  /**
   * `cacheBytes` is shared by manifests and blobs, about half each, and a little for lists of tags and links. All but
   * the lists are also looked for in `shared`.
   */
  constructor(parts: {
    readonly database: SqliteDatabase
    readonly generations: Generations
    readonly cacheBytes: number
    readonly shared?: SharedCache | undefined
  }) {
    this.#database = parts.database
    const { generations, cacheBytes, shared } = parts
    this.#manifests = new CoherentCache(generations, (cacheBytes * 7) / 16, shared && manifestForm(shared))
    this.#blobs = new CoherentCache(generations, (cacheBytes * 4) / 16, shared && blobForm(shared))
    this.#links = new CoherentCache(generations, (cacheBytes * 3) / 16, shared && linkForm(shared))
    this.#tags = new CoherentCache(generations, cacheBytes / 8)
  }

  hasRepository(repository: RepositoryName): Promise<boolean> {
    return Promise.resolve(this.#repositoryId(repository) !== undefined)
  }

  findManifest(repository: RepositoryName, reference: Reference): Promise<ManifestRecord | undefined> {
    const read = (): ManifestRecord | undefined => this.#readManifest(repository, reference)
    return Promise.resolve(this.#manifests.get(manifestKey(repository, reference), read, manifestBytes))
  }

  findBlob(repository: RepositoryName, digest: Digest): Promise<BlobRecord | undefined> {
    const read = (): BlobRecord | undefined => this.#readBlob(repository, digest)
    return Promise.resolve(this.#blobs.get(linkKey(repository, digest), read, blobBytes))
  }

  findLink(repository: RepositoryName, digest: Digest): Promise<BlobLink | undefined> {
    const read = (): BlobLink | undefined => this.#readLink(repository, digest)
    return Promise.resolve(this.#links.get(linkKey(repository, digest), read, linkBytes))
  }

  listBlobRepositories(digest: Digest, limit: number): Promise<readonly RepositoryName[]> {
    const rows = this.#database.all(statements.blobHolders, { digest, limit })
    return Promise.resolve(rows.map((row) => row.name as RepositoryName))
  }

  listTags(
    repository: RepositoryName,
    { after = '', limit }: { readonly after?: string; readonly limit: number },
  ): Promise<Page<Tag> | undefined> {
    const list = tagListKey(repository)
    const read = (): Page<Tag> | undefined => this.#readTags(repository, { after, limit })
    return Promise.resolve(this.#tags.get(`${list}${after}:${limit}`, read, tagBytes, list))
  }

  listRepositories({
    after = '',
    limit,
  }: {
    readonly after?: string
    readonly limit: number
  }): Promise<Page<RepositoryName>> {
    const rows = this.#database.all(statements.repositoriesAfter, { after, limit: limit + 1 })
    const seen = toPage(rows, limit, (row) => row)
    return Promise.resolve({
      items: seen.items.filter(({ used }) => used === 1).map((row) => row.name as RepositoryName),
      next: seen.next,
    })
  }

  listReferrers(
    repository: RepositoryName,
    subject: Digest,
    page: ReferrerPage,
  ): Promise<Page<ReferrerRecord>> {
    const { artifactType, after = '', limit } = page
    const values = { name: repository, subject, after, artifactType, limit: limit + 1 }
    const statement = artifactType === undefined ? statements.referrersAfter : statements.referrersOfTypeAfter
    return Promise.resolve(
      toReferrers(this.#database.iterate(statement, values), page, ({ digest }) => digest),
    )
  }

  listIndexed(repository: RepositoryName, tag: Tag, page: ReferrerPage): Promise<Page<ReferrerRecord>> {
    const { artifactType, after = '', limit } = page
    const values = { name: repository, tag, after, artifactType, limit: limit + 1 }
    const rows = this.#database.iterate(statements.indexedAfter, values)
    return Promise.resolve(toReferrers(rows, page, ({ child }) => child))
  }

  findUpload(repository: RepositoryName, id: string): Promise<UploadRecord | undefined> {
    const row = this.#database.get(statements.uploadById, { name: repository, id })
    if (row === undefined) return Promise.resolve(undefined)
    return Promise.resolve({
      id,
      repository,
      algorithm: row.algorithm as DigestAlgorithm,
      held:
        row.data_key === null
          ? { kind: 'inline', bytes: row.inline_bytes ?? new Uint8Array() }
          : { kind: 'staged', key: row.data_key as DataKey, size: row.size },
      hashState: row.hash_state ?? undefined,
      digest: (row.digest ?? undefined) as Digest | undefined,
      cutFrom: row.cut_from ?? undefined,
      startedAt: row.started_at,
      touchedAt: row.touched_at,
    })
  }

  #repositoryId(name: RepositoryName): number | undefined {
    return this.#database.get(repositoryByName, { name })?.id
  }

  #readTags(
    repository: RepositoryName,
    { after, limit }: { readonly after: string; readonly limit: number },
  ): Page<Tag> | undefined {
    const id = this.#repositoryId(repository)
    if (id === undefined) return undefined
    const rows = this.#database.all(statements.tagsAfter, { repository: id, after, limit: limit + 1 })
    return toPage(rows, limit, (row) => row.name as Tag)
  }

  #readManifest(name: RepositoryName, reference: Reference): ManifestRecord | undefined {
    const row = isDigest(reference)
      ? this.#database.get(statements.manifestByDigest, { name, digest: reference })
      : this.#database.get(statements.manifestByTag, { name, tag: reference })
    if (row === undefined) return undefined
    const { digest, media_type: mediaType, body } = row
    return { digest: digest as Digest, mediaType, size: body.byteLength, body }
  }

  #readLink(name: RepositoryName, digest: Digest): BlobLink | undefined {
    const row = this.#database.get(statements.blobLink, { name, digest })
    if (row === undefined) return undefined
    return { digest, size: row.size, unreferencedSince: row.unreferenced_since ?? undefined }
  }

  #readBlob(name: RepositoryName, digest: Digest): BlobRecord | undefined {
    const row = this.#database.get(statements.linkedBlob, { name, digest })
    if (row === undefined) return undefined
    return {
      digest,
      size: row.size,
      content:
        row.data_key === null
          ? { kind: 'inline', bytes: row.body ?? new Uint8Array() }
          : { kind: 'stored', key: row.data_key as DataKey },
      unreferencedSince: row.unreferenced_since ?? undefined,
    }
  }
}

function toPage<Row extends { readonly name: string }, Item>(
  rows: readonly Row[],
  limit: number,
  item: (row: Row) => Item,
): Page<Item> {
  return {
    items: rows.slice(0, limit).map(item),
    next: rows.length > limit ? rows[limit - 1]?.name : undefined,
  }
}

interface ReferrerRow {
  readonly digest: string | null
  readonly media_type: string | null
  readonly size: number | null
  readonly artifact_type: string | null
  readonly annotations: string | null
}

/** `place` is what the rows are in order of. Rows beyond the page are not read: one may have megabytes. */
function toReferrers<Row extends ReferrerRow>(
  rows: Iterable<Row>,
  { limit, bytes }: ReferrerPage,
  place: (row: Row) => string,
): Page<ReferrerRecord> {
  const items: ReferrerRecord[] = []
  let [seen, held, last] = [0, 0, '']
  for (const row of rows) {
    held += (row.annotations?.length ?? 0) + (row.artifact_type?.length ?? 0)
    if (seen === limit || (held > bytes && items.length > 0)) return { items, next: last }
    seen++
    last = place(row)
    // An entry of an index that is not in the repository.
    if (row.digest === null) continue
    items.push({
      digest: row.digest as Digest,
      mediaType: row.media_type ?? '',
      size: row.size ?? 0,
      artifactType: row.artifact_type ?? undefined,
      annotations: row.annotations ?? undefined,
    })
  }
  return { items, next: undefined }
}

function tagBytes({ items }: Page<Tag>): number {
  return items.reduce((sum, name) => sum + name.length + 40, 0)
}

function manifestBytes(manifest: ManifestRecord): number {
  return manifest.body.byteLength
}

/** Nothing beyond what every entry takes. */
function linkBytes(): number {
  return 0
}

function blobBytes(blob: BlobRecord): number {
  return blob.content.kind === 'inline' ? blob.content.bytes.byteLength : 100
}
