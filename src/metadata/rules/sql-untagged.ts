import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { FreedByRemoval, Page, UntaggedRecord } from '../records.ts'
import type { UntaggedStore } from '../untagged-store.ts'
import * as statements from './statements/untagged.ts'
import { repositoryByName } from './statements/repositories.ts'
import type { Database } from './database.ts'

/** Not cached: these reads are rare. */
export class SqlUntagged implements UntaggedStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async list(
    name: RepositoryName,
    { after = '', limit }: { readonly after?: string; readonly limit: number },
  ): Promise<Page<UntaggedRecord> | undefined> {
    const repository = await this.#repositoryId(name)
    if (repository === undefined) return undefined
    const [since = NaN, id = NaN] = /^\d{1,15}\.\d{1,15}$/.test(after) ? after.split('.').map(Number) : []
    const values = { repository, afterSince: since || -1, afterId: id || 0, limit: limit + 1 }
    const rows = await this.#database.all(statements.untaggedAfter, values)
    const last = rows.length > limit ? rows[limit - 1] : undefined
    return {
      items: rows.slice(0, limit).filter(isFree).map(toRecord),
      next: last && `${last.untagged_since}.${last.id}`,
    }
  }

  async find(name: RepositoryName, digest: Digest): Promise<UntaggedRecord | undefined> {
    const repository = await this.#repositoryId(name)
    const row = repository && (await this.#database.get(statements.untaggedByDigest, { repository, digest }))
    return row && isFree(row) ? toRecord(row) : undefined
  }

  async freedByRemoval(
    name: RepositoryName,
    digest: Digest,
    limit: number,
  ): Promise<FreedByRemoval | undefined> {
    const repository = await this.#repositoryId(name)
    const manifest = repository && (await this.#database.get(statements.manifestSize, { repository, digest }))
    if (!repository || !manifest) return undefined
    const values = { repository, manifest: manifest.id, limit: limit + 1 }
    const rows = await this.#database.all(statements.neededByManifest, values)
    if (rows.length > limit) return { bytes: undefined, children: undefined }
    return {
      bytes: rows.reduce((sum, row) => sum + (row.shared ? 0 : (row.size ?? 0)), manifest.size),
      children: rows.filter(({ kind }) => kind === 'manifest').length,
    }
  }

  async #repositoryId(name: RepositoryName): Promise<number | undefined> {
    return (await this.#database.get(repositoryByName, { name }))?.id
  }
}

interface UntaggedRow {
  readonly digest: string
  readonly media_type: string
  readonly artifact_type: string | null
  readonly size: number
  readonly untagged_since: number | null
  readonly needed: number
}

function isFree({ needed }: UntaggedRow): boolean {
  return needed === 0
}

function toRecord(row: UntaggedRow): UntaggedRecord {
  return {
    digest: row.digest as Digest,
    mediaType: row.media_type,
    artifactType: row.artifact_type ?? undefined,
    size: row.size,
    untaggedSince: row.untagged_since ?? 0,
  }
}
