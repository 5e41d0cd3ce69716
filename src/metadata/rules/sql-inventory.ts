import type { DataKey } from '../../blobs/blob-store.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { InventoryBlob, InventoryManifest, InventoryStore } from '../inventory-store.ts'
import type { Instant } from '../../instant.ts'
import type { BlobContent, Page, RepositoryFigures } from '../records.ts'
import type { ChangeRunner } from './changes.ts'
import { blobByDigest, linksOfBlob } from './statements/blobs.ts'
import * as statements from './statements/reads.ts'
import type { Database } from './database.ts'
import { readFigures } from './sql-figures.ts'

interface PageOptions {
  readonly after?: string
  readonly limit: number
}

export class SqlInventory implements InventoryStore {
  readonly #database: Database
  readonly #changes: ChangeRunner

  constructor(parts: { readonly database: Database; readonly changes: ChangeRunner }) {
    this.#database = parts.database
    this.#changes = parts.changes
  }

  async totals(): ReturnType<InventoryStore['totals']> {
    const totals = await this.#database.get(statements.counts, {})
    if (totals === undefined) throw new Error('the database gave no counts')
    return totals
  }

  figures(repository: RepositoryName): Promise<RepositoryFigures | undefined> {
    return readFigures(this.#database, repository)
  }

  async blobs({ after = '0', limit }: PageOptions): Promise<Page<InventoryBlob>> {
    const rows = await this.#database.all(statements.blobsAfter, { after: Number(after), limit })
    const items: InventoryBlob[] = []
    for (const row of rows) {
      const links = await this.#database.all(linksOfBlob, { blob: row.id })
      items.push({
        digest: row.digest as Digest,
        size: row.size,
        content: contentOf(row.data_key, row.body),
        twin: (row.twin ?? undefined) as Digest | undefined,
        repositories: links.map(({ name }) => name as RepositoryName),
      })
    }
    return { items, next: rows.length < limit ? undefined : String(rows.at(-1)?.id) }
  }

  async manifests({ after = '0', limit }: PageOptions): Promise<Page<InventoryManifest>> {
    const rows = await this.#database.all(statements.manifestsAfter, { after: Number(after), limit })
    const items: InventoryManifest[] = []
    for (const row of rows) {
      const missing = await this.#database.all(statements.missingChildren, { manifest: row.id })
      items.push({
        repository: row.name as RepositoryName,
        digest: row.digest as Digest,
        mediaType: row.media_type,
        size: row.size,
        body: row.body,
        missing: missing.map(({ child }) => child as Digest),
      })
    }
    return { items, next: rows.length < limit ? undefined : String(rows.at(-1)?.id) }
  }

  async unknownKeys(keys: readonly DataKey[]): Promise<readonly DataKey[]> {
    const unknown: DataKey[] = []
    for (const key of keys) {
      const row = await this.#database.get(statements.keyInUse, { key })
      if (!row?.used) unknown.push(key)
    }
    return unknown
  }

  async hasContent(digest: Digest, content: BlobContent): Promise<boolean> {
    const row = await this.#database.get(blobByDigest, { digest })
    return row !== undefined && row.data_key === (content.kind === 'stored' ? content.key : null)
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
