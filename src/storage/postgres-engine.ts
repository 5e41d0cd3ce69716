import { randomUUID } from 'node:crypto'
import { Generations } from '../metadata/cache/generations.ts'
import { SharedCache } from '../metadata/cache/shared-cache.ts'
import { connectOptions } from '../metadata/postgres/connect-options.ts'
import { standingOf } from '../metadata/postgres/database-standing.ts'
import { Link } from '../metadata/postgres/link.ts'
import { freshReads } from '../metadata/postgres/barrier.ts'
import { LogPruner } from '../metadata/postgres/log-pruner.ts'
import { PostgresRunner } from '../metadata/postgres/postgres-runner.ts'
import { defaultOutboxBound } from '../metadata/rules/outbox-bound.ts'
import type { ServingDatabase } from '../metadata/serving-processes.ts'
import type { ContentEngine } from './content-engine.ts'
import { sharedCacheBytes } from './shared-cache-bytes.ts'
import type {
  DatabaseSettings,
  ServeOptions,
  StorageEngine,
  StorageSettings,
  WriteState,
} from './storage-engine.ts'
import type { Ticket } from './ticket.ts'
import { WriteProbe } from './write-probe.ts'

/** Connections for changes, of an HTTP worker and of another thread. Each thread has one more for reads. */
const lanes = { worker: 2, beside: 1 } as const
/** Threads beside the workers: maintenance, access, audit and policies. */
const threadsBeside = 4
/** Of the main thread: one to test whether changes succeed, one for the log of changes. */
const ofMain = 2
/** Of a backup, while one is made. */
const ofBackup = 1

/** The connections that the process of a server opens at most. */
export function connectionBudget(workers: number): number {
  return workers * (lanes.worker + 1) + threadsBeside * (lanes.beside + 1) + ofMain + ofBackup
}

/** PostgreSQL, and blobs wherever they are kept. */
export class PostgresEngine implements StorageEngine {
  /** A database that is away comes back. */
  readonly ended = new Promise<string>(() => {})
  readonly isShared: boolean
  readonly database: ServingDatabase
  readonly #database: DatabaseSettings
  readonly #folder: string
  readonly #unrecorded: ServeOptions['unrecorded']
  readonly #generations = new Generations()
  readonly #cache = SharedCache.create(sharedCacheBytes)
  readonly #content: ContentEngine
  readonly #probes: PostgresRunner
  readonly #writes: WriteProbe
  readonly #pruner: LogPruner
  readonly #log: Link
  /** The name in claims, by number of the worker. */
  readonly #holders = new Map<number, string>()

  constructor(
    settings: StorageSettings,
    database: DatabaseSettings,
    options: ServeOptions,
    content: ContentEngine,
  ) {
    this.#database = database
    this.#folder = settings.folder
    this.#unrecorded = options.unrecorded
    this.#content = content
    this.isShared = content.place === 'bucket'
    const connect = (): ReturnType<typeof connectOptions> => connectOptions(database)
    this.#probes = new PostgresRunner({
      lanes: [new Link(connect)],
      generations: this.#generations,
      bound: defaultOutboxBound,
    })
    this.#writes = new WriteProbe(settings, options.reserve, content, () =>
      this.#probes.run('probe', { now: 0 }),
    )
    this.#log = new Link(connect)
    this.#pruner = new LogPruner(this.#log)
    this.database = {
      standing: () => this.#log.use(standingOf),
      meet: (process) => this.#probes.runOwn('meetProcesses', process),
      leave: (id) => this.#probes.runOwn('leaveProcesses', { id }),
    }
  }

  attach(worker?: number): Ticket {
    const { url, passwordFile, pooler, limits } = this.#database
    const holder = randomUUID()
    if (worker !== undefined) this.#holders.set(worker, holder)
    return {
      metadata: {
        kind: 'postgres',
        url,
        passwordFile,
        pooler,
        lanes: worker === undefined ? lanes.beside : lanes.worker,
        holder,
        unrecorded: this.#unrecorded,
        // Other threads collect garbage and decide about access: they read what is so now.
        limits: worker === undefined ? freshReads : limits,
        folder: this.#folder,
        generations: this.#generations.buffer,
        shared: worker === undefined ? undefined : { cache: this.#cache.buffer, worker },
      },
      blobs: this.#content.ticket(worker),
      isShared: this.isShared,
      ports: [],
    }
  }

  reclaim(worker: number): void {
    this.#cache.reclaim(worker)
    const holder = this.#holders.get(worker)
    // Without this, its claims end when nothing was heard of it for a while.
    if (holder !== undefined) this.#probes.runOwn('releaseUploadsOf', { holder }).catch(() => {})
  }

  probe(): Promise<WriteState> {
    return this.#writes.state()
  }

  async stop(): Promise<void> {
    this.#pruner.stop()
    this.#log.close()
    await this.#probes.close()
    await this.#content.close()
  }
}
