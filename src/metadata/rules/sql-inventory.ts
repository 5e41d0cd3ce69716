import type { DataKey } from '../../blobs/blob-store.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { InventoryBlob, InventoryManifest, InventoryStore } from '../inventory-store.ts'
import type { BlobContent, Instant, Page } from '../records.ts'
import type { ChangeRunner } from './changes.ts'
import { blobByDigest, linksOfBlob } from './statements/blobs.ts'
import * as statements from './statements/reads.ts'
import type { SqliteDatabase } from '../sqlite/sqlite-database.ts'

interface PageOptions {
  readonly after?: string
  readonly limit: number
}

export class SqlInventory implements InventoryStore {
  readonly #database: SqliteDatabase
  readonly #changes: ChangeRunner

  constructor(parts: { readonly database: SqliteDatabase; readonly changes: ChangeRunner }) {
    this.#database = parts.database
    this.#changes = parts.changes
  }

  totals(): ReturnType<InventoryStore['totals']> {
    return Promise.resolve(this.#database.get(statements.counts, {}) as never)
  }

  blobs({ after = '0', limit }: PageOptions): Promise<Page<InventoryBlob>> {
    const rows = this.#database.all(statements.blobsAfter, { after: Number(after), limit })
    const items = rows.map((row) => ({
      digest: row.digest as Digest,
      size: row.size,
      content: contentOf(row.data_key, row.body),
      repositories: this.#database
        .all(linksOfBlob, { blob: row.id })
        .map(({ name }) => name as RepositoryName),
    }))
    return Promise.resolve({ items, next: rows.length < limit ? undefined : String(rows.at(-1)?.id) })
  }

  manifests({ after = '0', limit }: PageOptions): Promise<Page<InventoryManifest>> {
    const rows = this.#database.all(statements.manifestsAfter, { after: Number(after), limit })
    const items = rows.map((row) => ({
      repository: row.name as RepositoryName,
      digest: row.digest as Digest,
      mediaType: row.media_type,
      size: row.size,
      body: row.body,
      missing: this.#database
        .all(statements.missingChildren, { manifest: row.id })
        .map(({ child }) => child as Digest),
    }))
    return Promise.resolve({ items, next: rows.length < limit ? undefined : String(rows.at(-1)?.id) })
  }

  unknownKeys(keys: readonly DataKey[]): Promise<readonly DataKey[]> {
    return Promise.resolve(keys.filter((key) => !this.#database.get(statements.keyInUse, { key })?.used))
  }

  hasContent(digest: Digest, content: BlobContent): Promise<boolean> {
    const row = this.#database.get(blobByDigest, { digest })
    return Promise.resolve(
      row !== undefined && row.data_key === (content.kind === 'stored' ? content.key : null),
    )
  }

  dropBlob(digest: Digest, content: BlobContent, now: Instant): Promise<boolean> {
    return this.#changes.run('dropBlob', { digest, content, now })
  }

  dropManifest(repository: RepositoryName, digest: Digest, now: Instant): Promise<boolean> {
    return this.#changes.run('discardManifest', { repository, digest, now })
  }
}

function contentOf(key: string | null, body: Uint8Array | null): BlobContent {
  return key === null
    ? { kind: 'inline', bytes: body ?? new Uint8Array() }
    : { kind: 'stored', key: key as DataKey }
}
