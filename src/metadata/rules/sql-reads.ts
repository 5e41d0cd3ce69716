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
import { CoherentCache, type Found } from '../cache/coherent-cache.ts'
import { linkKey, manifestKey, tagListKey, type Generations } from '../cache/generations.ts'
import * as statements from './statements/reads.ts'
import { repositoryByName } from './statements/repositories.ts'
import type { SharedCache } from '../cache/shared-cache.ts'
import { blobForm, linkForm, manifestForm } from '../cache/shared-forms.ts'
import type { Database } from './database.ts'

/** Requests' reads on a connection of this thread's own, behind caches that the generations keep coherent. */
export class SqlReads implements MetadataReads {
  readonly #database: Database
  readonly #manifests: CoherentCache<ManifestRecord>
  readonly #blobs: CoherentCache<BlobRecord>
  readonly #links: CoherentCache<BlobLink>
  readonly #tags: CoherentCache<Page<Tag>>

  /**
   * `cacheBytes` is shared by manifests and blobs, about half each, and a little for lists of tags and links. All but
   * the lists are also looked for in `shared`.
   */
  constructor(parts: {
    readonly database: Database
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

  async hasRepository(repository: RepositoryName): Promise<boolean> {
    return (await this.#repositoryId(repository)) !== undefined
  }

  findManifest(repository: RepositoryName, reference: Reference): Promise<ManifestRecord | undefined> {
    const read = (): Found<ManifestRecord> => this.#readManifest(repository, reference)
    return Promise.resolve(this.#manifests.get(manifestKey(repository, reference), read, manifestBytes))
  }

  findBlob(repository: RepositoryName, digest: Digest): Promise<BlobRecord | undefined> {
    const read = (): Found<BlobRecord> => this.#readBlob(repository, digest)
    return Promise.resolve(this.#blobs.get(linkKey(repository, digest), read, blobBytes))
  }

  findLink(repository: RepositoryName, digest: Digest): Promise<BlobLink | undefined> {
    const read = (): Found<BlobLink> => this.#readLink(repository, digest)
    return Promise.resolve(this.#links.get(linkKey(repository, digest), read, linkBytes))
  }

  async listBlobRepositories(digest: Digest, limit: number): Promise<readonly RepositoryName[]> {
    const rows = await this.#database.all(statements.blobHolders, { digest, limit })
    return rows.map((row) => row.name as RepositoryName)
  }

  listTags(
    repository: RepositoryName,
    { after = '', limit }: { readonly after?: string; readonly limit: number },
  ): Promise<Page<Tag> | undefined> {
    const list = tagListKey(repository)
    const read = (): Found<Page<Tag>> => this.#readTags(repository, { after, limit })
    return Promise.resolve(this.#tags.get(`${list}${after}:${limit}`, read, tagBytes, list))
  }

  async listRepositories({
    after = '',
    limit,
  }: {
    readonly after?: string
    readonly limit: number
  }): Promise<Page<RepositoryName>> {
    const rows = await this.#database.all(statements.repositoriesAfter, { after, limit: limit + 1 })
    const seen = toPage(rows, limit, (row) => row)
    return {
      items: seen.items.filter(({ used }) => used === 1).map((row) => row.name as RepositoryName),
      next: seen.next,
    }
  }

  async listReferrers(
    repository: RepositoryName,
    subject: Digest,
    page: ReferrerPage,
  ): Promise<Page<ReferrerRecord>> {
    const { artifactType, after = '', limit } = page
    const values = { name: repository, subject, after, artifactType, limit: limit + 1 }
    const statement = artifactType === undefined ? statements.referrersAfter : statements.referrersOfTypeAfter
    const found = new FoundReferrers(page)
    await this.#database.each(statement, values, (row) => found.take(row, row.digest))
    return found.page
  }

  async listIndexed(repository: RepositoryName, tag: Tag, page: ReferrerPage): Promise<Page<ReferrerRecord>> {
    const { artifactType, after = '', limit } = page
    const values = { name: repository, tag, after, artifactType, limit: limit + 1 }
    const found = new FoundReferrers(page)
    await this.#database.each(statements.indexedAfter, values, (row) => found.take(row, row.child))
    return found.page
  }

  async findUpload(repository: RepositoryName, id: string): Promise<UploadRecord | undefined> {
    const row = await this.#database.get(statements.uploadById, { name: repository, id })
    if (row === undefined) return undefined
    return {
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
    }
  }

  async #repositoryId(name: RepositoryName): Promise<number | undefined> {
    return (await this.#database.get(repositoryByName, { name }))?.id
  }

  async #readTags(
    repository: RepositoryName,
    { after, limit }: { readonly after: string; readonly limit: number },
  ): Promise<Page<Tag> | undefined> {
    const id = await this.#repositoryId(repository)
    if (id === undefined) return undefined
    const rows = await this.#database.all(statements.tagsAfter, { repository: id, after, limit: limit + 1 })
    return toPage(rows, limit, (row) => row.name as Tag)
  }

  #readManifest(name: RepositoryName, reference: Reference): Found<ManifestRecord> {
    const row = isDigest(reference)
      ? this.#database.get(statements.manifestByDigest, { name, digest: reference })
      : this.#database.get(statements.manifestByTag, { name, tag: reference })
    return made(row, ({ digest, media_type: mediaType, body }) => ({
      digest: digest as Digest,
      mediaType,
      size: body.byteLength,
      body,
    }))
  }

  #readLink(name: RepositoryName, digest: Digest): Found<BlobLink> {
    return made(this.#database.get(statements.blobLink, { name, digest }), (row) => ({
      digest,
      size: row.size,
      unreferencedSince: row.unreferenced_since ?? undefined,
    }))
  }

  #readBlob(name: RepositoryName, digest: Digest): Found<BlobRecord> {
    return made(this.#database.get(statements.linkedBlob, { name, digest }), (row) => ({
      digest,
      size: row.size,
      content:
        row.data_key === null
          ? { kind: 'inline', bytes: row.body ?? new Uint8Array() }
          : { kind: 'stored', key: row.data_key as DataKey },
      unreferencedSince: row.unreferenced_since ?? undefined,
    }))
  }
}

/** At once where the row is there: what many pulls ask for makes no promise for it. */
function made<Row, Value>(row: Found<Row>, make: (row: Row) => Value): Found<Value> {
  if (row instanceof Promise) return row.then((later) => (later === undefined ? undefined : make(later)))
  return row === undefined ? undefined : make(row)
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

/** A page as it fills. Rows beyond it are not read: one may have megabytes. */
class FoundReferrers {
  readonly #limit: number
  readonly #bytes: number
  readonly #items: ReferrerRecord[] = []
  #seen = 0
  #held = 0
  #last = ''
  #isFull = false

  constructor({ limit, bytes }: ReferrerPage) {
    this.#limit = limit
    this.#bytes = bytes
  }

  /** `place` is what the rows are in order of. False: it is full without this row. */
  take(row: ReferrerRow, place: string): boolean {
    this.#held += (row.annotations?.length ?? 0) + (row.artifact_type?.length ?? 0)
    if (this.#seen === this.#limit || (this.#held > this.#bytes && this.#items.length > 0)) {
      this.#isFull = true
      return false
    }
    this.#seen++
    this.#last = place
    // An entry of an index that is not in the repository has none.
    if (row.digest !== null) this.#items.push(toReferrer(row, row.digest as Digest))
    return true
  }

  get page(): Page<ReferrerRecord> {
    return { items: this.#items, next: this.#isFull ? this.#last : undefined }
  }
}

function toReferrer(row: ReferrerRow, digest: Digest): ReferrerRecord {
  return {
    digest,
    mediaType: row.media_type ?? '',
    size: row.size ?? 0,
    artifactType: row.artifact_type ?? undefined,
    annotations: row.annotations ?? undefined,
  }
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
