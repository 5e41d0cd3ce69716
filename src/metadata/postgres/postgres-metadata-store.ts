import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Generations } from '../cache/generations.ts'
import type { SharedCache } from '../cache/shared-cache.ts'
import type { CommitMarks } from '../commit-marks.ts'
import type { GarbageStore } from '../garbage-store.ts'
import type { MetadataSnapshot, MetadataStore } from '../metadata-store.ts'
import type { AuditedChange } from '../outbox.ts'
import type { SharedPolicies } from '../policy-generation.ts'
import type { NewBlob, SavedUpload, UploadClaim } from '../records.ts'
import { changeMethods } from '../rules/changes.ts'
import { defaultOutboxBound, type OutboxBound } from '../rules/outbox-bound.ts'
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
import { Barrier, freshReads, type ReadLimits } from './barrier.ts'
import type { ConnectionOptions } from './connection.ts'
import { Link, pause } from './link.ts'
import { missingAttempts } from './lost-commits.ts'
import { PostgresAuditChain } from './postgres-audit-chain.ts'
import { PostgresDatabase } from './postgres-database.ts'
import { PostgresLoginFailures } from './postgres-login-failures.ts'
import { PostgresPolicies } from './postgres-policies.ts'
import { PostgresRunner } from './postgres-runner.ts'
import { UploadHolder } from './upload-holder.ts'

/** Changes that the store passes on without any work of its own. */
const plainChanges = [
  'createUpload',
  'putWholeBlob',
  'mountBlob',
  'touchBlob',
  'unlinkBlob',
  'putManifest',
  'deleteTag',
  'deleteManifest',
] as const
type PlainChange = (typeof plainChanges)[number]

export interface PostgresMetadataOptions {
  /** Called for each new connection. */
  readonly connect: () => ConnectionOptions
  /** Connections for changes; one more is for reads. */
  readonly lanes: number
  readonly generations: Generations
  /** Bytes of this thread's memory for cached manifests and small blobs. */
  readonly cacheBytes: number
  /** Names this thread in the claims of uploads. */
  readonly holder: string
  readonly bound?: OutboxBound
  /** Where snapshots are written while they are read. */
  readonly folder: string
  /** The cache shared by all threads of the process, for the same content. */
  readonly sharedCache?: SharedCache
  /** How far reads may be behind; as `freshReads` unless told. */
  readonly limits?: ReadLimits
  /** Called for each answer that is stale. */
  readonly onStale?: () => void
}

/** The store of one thread: its own connections for reads and changes. Connects at the first use. */
export function openPostgresMetadata(options: PostgresMetadataOptions): MetadataStore {
  const { connect, generations, lanes, bound = defaultOutboxBound } = options
  const link = new Link(connect)
  const runner = new PostgresRunner({
    lanes: Array.from({ length: lanes }, () => new Link(connect)),
    generations,
    bound,
  })
  const store = new PostgresStore(options, link, runner)
  return Object.assign(store, changeMethods(runner, plainChanges))
}

class PostgresStore extends SqlReads implements Omit<MetadataStore, PlainChange> {
  readonly access: SqlAccess
  readonly garbage: GarbageStore
  readonly inventory: SqlInventory
  readonly history: SqlHistory
  readonly contents: SqlContents
  readonly outbox: SqlOutbox
  readonly untagged: SqlUntagged
  readonly policy: SharedPolicies
  readonly auditChain: PostgresAuditChain
  readonly #barrier: Barrier
  readonly marks: CommitMarks
  readonly #options: PostgresMetadataOptions
  readonly #link: Link
  readonly #changes: PostgresRunner
  readonly #holder: UploadHolder
  #isClosed = false

  constructor(options: PostgresMetadataOptions, link: Link, changes: PostgresRunner) {
    const { generations, cacheBytes, sharedCache: shared, holder, limits = freshReads, onStale } = options
    const onRecovery = (): void => void this.#compareAnswered()
    const barrier = new Barrier({ link, generations, limits, onRecovery })
    const database = new PostgresDatabase({ link, barrier })
    super({ database, generations, cacheBytes, shared, onStale })
    this.#barrier = barrier
    const failures = new PostgresLoginFailures({ database, changes })
    this.access = new SqlAccess({ database, changes, failures })
    this.garbage = sqlGarbage(database, changes)
    this.inventory = new SqlInventory({ database, changes })
    this.history = new SqlHistory(database)
    this.contents = new SqlContents({ database, changes })
    this.outbox = new SqlOutbox({
      database,
      changes,
      beforeRead: (kind) => changes.runOwn('placeRecords', { kind }),
    })
    this.untagged = new SqlUntagged(database)
    this.policy = new PostgresPolicies({ database, changes })
    this.auditChain = new PostgresAuditChain(database, changes)
    this.marks = sqlMarks(database, changes)
    this.#options = options
    this.#link = link
    this.#changes = changes
    this.#holder = new UploadHolder({ runner: changes, holder })
  }

  async claimUpload(
    repository: RepositoryName,
    id: string,
    onContested: () => void,
  ): Promise<UploadClaim | undefined> {
    // The upload of another repository must not be claimed, and its holder not be asked to let go.
    if ((await this.findUpload(repository, id)) === undefined) return undefined
    const fence = await this.#holder.claim(id, onContested)
    if (fence === undefined) return undefined
    const release = (): Promise<void> => this.#holder.release(id, fence)
    const upload = await this.findUpload(repository, id)
    if (upload === undefined) {
      await release()
      return undefined
    }
    const save = (state: SavedUpload): Promise<boolean> =>
      this.#changes.run('saveUpload', { id, fence, ...state })
    return { upload, fence, save, release }
  }

  cancelUpload(
    repository: RepositoryName,
    id: string,
    audited?: AuditedChange,
    fence?: number,
  ): Promise<boolean> {
    return this.#changes.run('cancelUpload', { repository, id, audited, fence })
  }

  async putBlob(blob: NewBlob): Promise<void> {
    if (await this.#changes.run('putBlob', blob)) return
    throw uploadCancelled()
  }

  async snapshot(): Promise<MetadataSnapshot> {
    // Loaded here, as is SQLite with it: most threads never take one.
    const { takeDatabaseSnapshot } = await import('../transfer/database-snapshot.ts')
    return takeDatabaseSnapshot(this.#options.connect, this.#options.folder)
  }

  /** A failover may have lost the newest commits, and the marks of `CommitMarks` are older than those. */
  async #compareAnswered(): Promise<void> {
    const { answered } = this.#changes
    while (!this.#isClosed) {
      try {
        const attempts = answered.list(performance.now())
        if (attempts.length === 0) return
        const missing = await this.#link.repeat((connection) => missingAttempts(connection, attempts))
        if (missing === 0) return
        await this.#changes.runOwn('noteLostCommits', { now: Date.now() })
        answered.clear()
        return
      } catch {
        // The server is away once more.
        await pause()
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#holder.close()
    this.#barrier.close()
    await this.#changes.close()
    this.#link.close()
  }
}
