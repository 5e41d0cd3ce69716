import type { DigestAlgorithm } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { CommitMarks } from '../commit-marks.ts'
import type { GarbageStore } from '../garbage-store.ts'
import type { MetadataSnapshot, MetadataStore } from '../metadata-store.ts'
import type { AuditedChange } from '../outbox.ts'
import type { PolicyGenerations } from '../policy-generation.ts'
import type { Instant } from '../../instant.ts'
import type { NewBlob, SavedUpload, UploadClaim, UploadRecord } from '../records.ts'
import { defaultOutboxBound, type OutboxBound } from '../rules/outbox-bound.ts'
import { changeMethods } from '../rules/changes.ts'
import { FreshUploads } from './fresh-uploads.ts'
import { Generations } from '../cache/generations.ts'
import { LocalRunner } from './local-runner.ts'
import type { SharedCache } from '../cache/shared-cache.ts'
import { SqlAccess } from '../rules/sql-access.ts'
import { SqlContents } from '../rules/sql-contents.ts'
import { sqlGarbage } from '../rules/sql-garbage.ts'
import { SqlHistory } from '../rules/sql-history.ts'
import { SqlInventory } from '../rules/sql-inventory.ts'
import { sqlMarks } from '../rules/sql-marks.ts'
import { SqlOutbox } from '../rules/sql-outbox.ts'
import { SqlReads } from '../rules/sql-reads.ts'
import { SqlUntagged } from '../rules/sql-untagged.ts'
import { uploadCancelled } from '../rules/upload-cancelled.ts'
import { databasePath, openForReading, openForWriting } from './sqlite-file.ts'
import type { SqliteDatabase } from './sqlite-database.ts'
import { takeSnapshot } from './sqlite-snapshot.ts'
import { SqliteWriter } from './sqlite-writer.ts'
import { UploadClaims } from './upload-claims.ts'
import type { UploadRunner } from './upload-runner.ts'

/** Changes that the store passes on without any work of its own. */
const plainChanges = [
  'mountBlob',
  'touchBlob',
  'unlinkBlob',
  'putManifest',
  'deleteTag',
  'deleteManifest',
] as const
type PlainChange = (typeof plainChanges)[number]

export interface SqliteMetadataOptions {
  /** The data folder. Its `trow.db` has already been opened by the writer. */
  readonly folder: string
  readonly changes: UploadRunner
  readonly generations: Generations
  /** Bytes of this thread's memory for cached manifests and small blobs. */
  readonly cacheBytes: number
  /** The cache shared by all threads, for the same content. */
  readonly sharedCache?: SharedCache
}

/** The store of one thread: its own connection for reads, the process's only writer for changes. */
export function openSqliteMetadata(options: SqliteMetadataOptions): MetadataStore {
  const store = new SqliteStore(options, openForReading(databasePath(options.folder)))
  return Object.assign(store, changeMethods(options.changes, plainChanges))
}

/**
 * A store with the writer in the calling thread: for commands on a folder that is not being served, and for
 * tests.
 */
export function openLocalMetadata({
  folder,
  cacheBytes = 16 * 1024 * 1024,
  bound = defaultOutboxBound,
}: {
  readonly folder: string
  readonly cacheBytes?: number
  readonly bound?: OutboxBound
}): MetadataStore {
  const generations = new Generations()
  const claims = new UploadClaims()
  const database = openForWriting(databasePath(folder))
  const writer = new SqliteWriter({ database, generations, claims, bound })
  const changes = new LocalRunner(writer, claims)
  const store = openSqliteMetadata({ folder, changes, generations, cacheBytes })
  const close = store.close.bind(store)
  return Object.assign(store, {
    async close() {
      await close()
      database.close()
    },
  })
}

class SqliteStore extends SqlReads implements Omit<MetadataStore, PlainChange> {
  readonly access: SqlAccess
  readonly garbage: GarbageStore
  readonly inventory: SqlInventory
  readonly history: SqlHistory
  readonly contents: SqlContents
  readonly outbox: SqlOutbox
  readonly untagged: SqlUntagged
  readonly policy: PolicyGenerations
  /** The log is files: one process writes it. */
  readonly auditChain = undefined
  readonly marks: CommitMarks
  readonly #database: SqliteDatabase
  readonly #changes: UploadRunner
  readonly #folder: string
  readonly #fresh: FreshUploads

  constructor(options: SqliteMetadataOptions, database: SqliteDatabase) {
    const { changes, generations, cacheBytes, sharedCache: shared, folder } = options
    super({ database, generations, cacheBytes, shared })
    this.#fresh = new FreshUploads(changes)
    this.access = new SqlAccess({ database, changes })
    this.garbage = sqlGarbage(database, changes)
    this.inventory = new SqlInventory({ database, changes })
    this.history = new SqlHistory(database)
    this.contents = new SqlContents({ database, changes })
    this.outbox = new SqlOutbox({ database, changes })
    this.untagged = new SqlUntagged(database)
    this.marks = sqlMarks(database, changes)
    this.policy = {
      kind: 'own',
      setGeneration: (generation) => changes.setPolicyGeneration(generation),
    }
    this.#database = database
    this.#changes = changes
    this.#folder = folder
  }

  override async findUpload(repository: RepositoryName, id: string): Promise<UploadRecord | undefined> {
    const upload = await super.findUpload(repository, id)
    if (upload !== undefined) return upload
    // Another thread may have opened the upload and not sent it to the writer yet.
    await this.#changes.flushPending()
    return super.findUpload(repository, id)
  }

  createUpload(upload: {
    readonly id: string
    readonly repository: RepositoryName
    readonly algorithm: DigestAlgorithm
    readonly now: Instant
  }): Promise<void> {
    this.#fresh.add(upload)
    return Promise.resolve()
  }

  async claimUpload(
    repository: RepositoryName,
    id: string,
    onContested: () => void,
  ): Promise<UploadClaim | undefined> {
    const fresh = this.#fresh.claim(repository, id, onContested)
    if (fresh !== undefined) return fresh
    // An id that no client has opened must not fill the table of claims.
    if ((await this.findUpload(repository, id)) === undefined) return undefined
    await this.#changes.claim(id, onContested)
    const release = (): Promise<void> => this.#changes.release(id)
    const upload = await this.findUpload(repository, id)
    if (upload === undefined) {
      await release()
      return undefined
    }
    const save = (state: SavedUpload): Promise<boolean> => this.#changes.run('saveUpload', { id, ...state })
    return { upload, save, release }
  }

  async cancelUpload(repository: RepositoryName, id: string, audited?: AuditedChange): Promise<boolean> {
    const fresh = this.#fresh.end(repository, id)
    if (fresh !== undefined) {
      await this.#auditEnd(fresh, audited)
      return true
    }
    if ((await this.findUpload(repository, id)) === undefined) return false
    return this.#changes.run('cancelUpload', { repository, id, audited })
  }

  async #auditEnd(fresh: { readonly undo: () => void }, audited: AuditedChange | undefined): Promise<void> {
    if (audited?.auditRecord === undefined) return
    try {
      await this.outbox.record([audited.auditRecord], audited.now)
    } catch (error) {
      fresh.undo()
      throw error
    }
  }

  async putBlob(blob: NewBlob): Promise<void> {
    const { uploadId } = blob
    const fresh = uploadId === undefined ? undefined : this.#fresh.end(blob.repository, uploadId)
    if (fresh !== undefined) return this.#endFresh(blob, fresh)
    if (await this.#changes.run('putBlob', blob)) return
    throw uploadCancelled()
  }

  async putWholeBlob(blob: NewBlob & { readonly uploadId: string }): Promise<boolean> {
    if (this.#fresh.isBusy(blob.uploadId)) return false
    const fresh = this.#fresh.end(blob.repository, blob.uploadId)
    if (fresh === undefined) return this.#changes.run('putWholeBlob', blob)
    await this.#endFresh(blob, fresh)
    return true
  }

  async #endFresh(blob: NewBlob, fresh: { readonly undo: () => void }): Promise<void> {
    try {
      await this.#changes.run('putBlob', { ...blob, uploadId: undefined })
    } catch (error) {
      fresh.undo()
      throw error
    }
  }

  snapshot(): Promise<MetadataSnapshot> {
    return Promise.resolve(takeSnapshot(this.#database, this.#folder))
  }

  async close(): Promise<void> {
    this.#fresh.flushAll()
    await this.#changes.close()
    this.#database.close()
  }
}
