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
  ReadState,
  ReferrerPage,
  ReferrerRecord,
  UploadRecord,
} from '../records.ts'
import { CoherentCache, type CachedValue } from '../cache/coherent-cache.ts'
import { linkKey, manifestKey, tagListKey, type Generations } from '../cache/generations.ts'
import * as statements from './statements/reads.ts'
import { repositoryByName } from './statements/repositories.ts'
import type { SharedCache } from '../cache/shared-cache.ts'
import { blobForm, linkForm, manifestForm } from '../cache/shared-forms.ts'
import type { Database } from './database.ts'
import { FoundReferrers } from './found-referrers.ts'

/** Reads for requests: this thread's own connection behind caches that the generations keep coherent. */
export class SqlReads implements MetadataReads {
  readonly #database: Database
  readonly #manifests: CoherentCache<ManifestRecord>
  readonly #blobs: CoherentCache<BlobRecord>
  readonly #links: CoherentCache<BlobLink>
  readonly #tags: CoherentCache<Page<Tag>>
  readonly #onStale: (() => void) | undefined

  /**
   * About 7/16 of `cacheBytes` is for manifests, 4/16 for blobs, 3/16 for links and 2/16 for lists of tags.
   * All but the lists are also looked up in `shared`.
   */
  constructor(parts: {
    readonly database: Database
    readonly generations: Generations
    readonly cacheBytes: number
    readonly shared?: SharedCache | undefined
    /** Called for each answer that is stale. */
    readonly onStale?: (() => void) | undefined
  }) {
    this.#database = parts.database
    this.#onStale = parts.onStale
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
    const key = manifestKey(repository, reference)
    const read = (): CachedValue<ManifestRecord> => this.#readManifest(repository, reference)
    return this.#fresh(
      () => this.#manifests.get(key, read, manifestBytes),
      () => this.#manifests.peek(key),
    )
  }

  findBlob(repository: RepositoryName, digest: Digest): Promise<BlobRecord | undefined> {
    const key = linkKey(repository, digest)
    const read = (): CachedValue<BlobRecord> => this.#readBlob(repository, digest)
    return this.#fresh(
      () => this.#blobs.get(key, read, blobBytes),
      () => this.#blobs.peek(key),
    )
  }

  findLink(repository: RepositoryName, digest: Digest): Promise<BlobLink | undefined> {
    const key = linkKey(repository, digest)
    const read = (): CachedValue<BlobLink> => this.#readLink(repository, digest)
    return this.#fresh(
      () => this.#links.get(key, read, linkBytes),
      // A blob that was pulled has a link, whether or not anybody has asked for that alone.
      () => this.#links.peek(key) ?? this.#blobs.peek(key),
    )
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
    const key = `${list}${after}:${limit}`
    const read = (): CachedValue<Page<Tag>> => this.#readTags(repository, { after, limit })
    return this.#fresh(
      () => this.#tags.get(key, read, tagBytes, list),
      () => this.#tags.peek(key),
    )
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
    await this.#database.each(statement, values, {
      place: (row) => row.digest,
      take: (row) => found.take(row, row.digest),
    })
    return found.page
  }

  async listIndexed(repository: RepositoryName, tag: Tag, page: ReferrerPage): Promise<Page<ReferrerRecord>> {
    const { artifactType, after = '', limit } = page
    const values = { name: repository, tag, after, artifactType, limit: limit + 1 }
    const found = new FoundReferrers(page)
    await this.#database.each(statements.indexedAfter, values, {
      place: (row) => row.child,
      take: (row) => found.take(row, row.child),
    })
    return found.page
  }

  async findUpload(repository: RepositoryName, id: string): Promise<UploadRecord | undefined> {
    const row = await this.#database.get(statements.uploadById, { name: repository, id })
    if (row === undefined) return undefined
    return {
      id,
      repository,
      algorithm: row.algorithm as DigestAlgorithm,
      content:
        row.data_key === null
          ? { kind: 'inline', bytes: row.inline_bytes ?? new Uint8Array() }
          : {
              kind: 'staged',
              key: row.data_key as DataKey,
              size: row.size,
              ...(row.parts !== null && { parts: row.parts }),
            },
      hashState: row.hash_state ?? undefined,
      digest: (row.digest ?? undefined) as Digest | undefined,
      cutFrom: row.cut_from ?? undefined,
      startedAt: row.started_at,
      touchedAt: row.touched_at,
    }
  }

  /**
   * Looks at a cache once it is fresh; where it always is, no more promises are made than one. While nobody can
   * tell whether it is, what it holds is served as stale, and what it does not hold is refused.
   */
  #fresh<Value extends ReadState>(
    look: () => CachedValue<Value>,
    peek: () => Value | undefined,
  ): Promise<Value | undefined> {
    const fresh = this.#database.fresh()
    if (fresh === undefined) return Promise.resolve(look())
    return fresh.then((state) => (state === 'fresh' ? look() : this.#stale(peek(), state.refusal)))
  }

  #stale<Value extends ReadState>(held: Value | undefined, refusal: unknown): Value {
    if (held === undefined) throw refusal
    this.#onStale?.()
    return { ...held, isStale: true }
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

  #readManifest(name: RepositoryName, reference: Reference): CachedValue<ManifestRecord> {
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

  #readLink(name: RepositoryName, digest: Digest): CachedValue<BlobLink> {
    return made(this.#database.get(statements.blobLink, { name, digest }), (row) => ({
      digest,
      size: row.size,
      unreferencedSince: row.unreferenced_since ?? undefined,
    }))
  }

  #readBlob(name: RepositoryName, digest: Digest): CachedValue<BlobRecord> {
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

/** Synchronous when the row is: frequent pulls create no promise for it. */
function made<Row, Value>(row: CachedValue<Row>, make: (row: Row) => Value): CachedValue<Value> {
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

function tagBytes({ items }: Page<Tag>): number {
  return items.reduce((sum, name) => sum + name.length + 40, 0)
}

function manifestBytes(manifest: ManifestRecord): number {
  return manifest.body.byteLength
}

/** A link takes nothing beyond the overhead of an entry. */
function linkBytes(): number {
  return 0
}

function blobBytes(blob: BlobRecord): number {
  return blob.content.kind === 'inline' ? blob.content.bytes.byteLength : 100
}
