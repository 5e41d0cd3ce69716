import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Closure, ContainedRecord, ContentStore, HolderRecord, ParentRecord } from '../content-store.ts'
import type { Page, ReferenceKind } from '../records.ts'
import type { ChangeRunner } from './changes.ts'
import type { Database } from './database.ts'
import type { Statement } from './bind.ts'
import * as statements from './statements/contents.ts'

/** Rows per statement, and the number of statements and rows after which the event loop gets a turn. */
const rowsAtOnce = 500
const workAtOnce = 1000
const repositoriesAtOnce = 1000

interface PageOptions {
  readonly after?: string | undefined
  readonly limit: number
}

export class SqlContents implements ContentStore {
  readonly #database: Database
  readonly #changes: ChangeRunner

  constructor(parts: { readonly database: Database; readonly changes: ChangeRunner }) {
    this.#database = parts.database
    this.#changes = parts.changes
  }

  async closure(name: RepositoryName, digest: Digest, limit: number): Promise<Closure | undefined> {
    const root = await this.#database.get(statements.manifestId, { name, digest })
    if (root === undefined) return undefined
    const repository = root.repository_id
    const items = new Map<string, ContainedRecord>()
    const open = [root.id]
    let work = 0
    for (let manifest = open.pop(); manifest !== undefined; manifest = open.pop()) {
      for (let after = ''; ;) {
        const values = { repository, manifest, after, limit: rowsAtOnce }
        const rows = await this.#database.all(statements.namedAfter, values)
        for (const row of rows) {
          if (row.child === digest || items.has(row.child)) continue
          if (items.size === limit) return { items: [...items.values()], isComplete: false }
          items.set(row.child, toContained(row))
          if (row.manifest_id !== null) open.push(row.manifest_id)
        }
        work += 1 + rows.length
        if (work >= workAtOnce) {
          work = 0
          await nextTurn()
        }
        if (rows.length < rowsAtOnce) break
        after = rows.at(-1)?.child ?? ''
      }
    }
    return { items: [...items.values()], isComplete: true }
  }

  async parents(
    name: RepositoryName,
    digest: Digest,
    { after, limit }: PageOptions,
  ): Promise<Page<ParentRecord>> {
    const values = { name, digest, afterManifest: Number(after ?? 0), limit: limit + 1 }
    const rows = await this.#database.all(statements.parentsAfter, values)
    return {
      items: rows.slice(0, limit).map((row) => ({ ...toManifest(row), kind: row.kind as ReferenceKind })),
      next: rows.length > limit ? String(rows[limit - 1]?.id) : undefined,
    }
  }

  async holders(digest: Digest, { after = '0', limit }: PageOptions): Promise<Page<HolderRecord>> {
    const { first, afterManifest, end } = await this.#window(after)
    const window = { digest, first, end: end ?? Number.MAX_SAFE_INTEGER }
    // Copies are returned with the first page of a window: each repository has at most one.
    const copies = afterManifest === 0 ? await this.#database.all(statements.copiesInWindow, window) : []
    const values = { ...window, afterManifest, limit: limit + 1 }
    const rows = await this.#database.all(statements.parentsInWindow, values)
    const last = rows.length > limit ? rows[limit - 1] : undefined
    return {
      items: [
        ...copies.map((row) => toHolder(row, 'self')),
        ...rows.slice(0, limit).map((row) => toHolder(row, row.kind as ReferenceKind)),
      ],
      next: last === undefined ? end?.toString() : `${last.repository_id}.${last.id}.${end ?? ''}`,
    }
  }

  /**
   * Parses a page's cursor: the first repository and, within a window, the last manifest and the window's
   * end.
   */
  async #window(after: string): Promise<{ first: number; afterManifest: number; end: number | undefined }> {
    const [first, manifest, end] = after.split('.')
    const from = Number(first)
    if (manifest !== undefined)
      return { first: from, afterManifest: Number(manifest), end: end ? Number(end) : undefined }
    const next = await this.#database.get(statements.windowEnd, { first: from, size: repositoriesAtOnce })
    return { first: from, afterManifest: 0, end: next?.id }
  }

  async twinOf(digest: Digest): Promise<Digest | undefined> {
    const statement: Statement<{ twin?: string | null; digest?: string }> = digest.startsWith('sha256:')
      ? statements.blobOfTwin
      : statements.twinOfBlob
    const row = await this.#database.get(statement, { digest })
    return (row?.twin ?? row?.digest) as Digest | undefined
  }

  setTwin(digest: Digest, twin: Digest): Promise<boolean> {
    return this.#changes.run('setTwin', { digest, twin })
  }
}

type NamedRow = typeof statements.namedAfter extends Statement<infer Row> ? Row : never

function toContained(row: NamedRow): ContainedRecord {
  return {
    digest: row.child as Digest,
    kind: row.kind as ReferenceKind,
    size: (row.blob_id === null ? row.manifest_size : row.blob_size) ?? undefined,
    mediaType: row.media_type ?? undefined,
    twin: (row.twin ?? undefined) as Digest | undefined,
  }
}

interface ManifestRow {
  readonly digest: string
  readonly media_type: string
  readonly artifact_type: string | null
}

function toManifest(row: ManifestRow): Omit<ParentRecord, 'kind'> {
  return {
    digest: row.digest as Digest,
    mediaType: row.media_type,
    artifactType: row.artifact_type ?? undefined,
  }
}

function toHolder(row: ManifestRow & { readonly name: string }, kind: HolderRecord['kind']): HolderRecord {
  return { repository: row.name as RepositoryName, ...toManifest(row), kind }
}
