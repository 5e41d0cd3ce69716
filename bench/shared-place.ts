import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { PostgresServer } from '../test/support/postgres-server.ts'
import { s3Env, s3Keys, startS3Server, type S3Server } from '../test/support/s3-server.ts'
import { startFarProxy, type FarProxy } from './far-proxy.ts'
import { workerCount, type Peer } from './peers.ts'
import { seedDatabase, type SeededWidths } from './seed-database.ts'
import { seedImage, seedRepository, type SeededImage, type SeededRepository } from './seed.ts'
import type { Server } from './server.ts'

/**
 * `shared` is a process of a registry in PostgreSQL and a bucket, `cached` is another one with a cache on disk, `far` one that
 * is 2 ms away from its database; `first`, `second` and `third` share the cores, as where three run on one machine. `widths` has a database of its own. `distribution` is on the same S3
 * server, and keeps nothing in memory, as where several of its processes are one registry; `remembering` has its cache of
 * descriptors, which knows nothing of what other processes do.
 */
export type ServerName =
  | 'shared'
  | 'first'
  | 'second'
  | 'third'
  | 'cached'
  | 'far'
  | 'widths'
  | 'sqlite'
  | 'distribution'
  | 'remembering'

export interface Served {
  readonly server: Server
  readonly image: SeededImage
  readonly tags: SeededRepository
}

export interface PlaceOptions {
  readonly folder: string
  readonly trow: Peer
  readonly distribution: Peer
  /** Manifests of the wide repository. */
  readonly manifests: number
}

/** The name that each bucket has at the server. */
type Buckets = Readonly<Record<'trow' | 'widths' | 'distribution' | 'remembering', string>>

/** Those that have the content of `shared`. */
const ofRegistry: ReadonlySet<ServerName> = new Set(['first', 'second', 'third', 'cached', 'far'])

/** Workers of each of three processes that share the cores of this machine. */
export const workersOfThird = Math.max(1, Math.floor(workerCount(availableParallelism()) / 3))

/** Milliseconds of the round trip between `far` and its database. */
export const farRoundTrip = 2

/** The engines and the servers of a run. A server starts, and gets its content, when a row first asks for it. */
export class SharedPlace {
  readonly postgres: PostgresServer
  readonly s3: S3Server
  readonly #buckets: Buckets
  readonly #options: PlaceOptions
  readonly #database: string
  readonly #servers = new Map<ServerName, Promise<Server>>()
  readonly #contents = new Map<ServerName, Promise<Omit<Served, 'server'>>>()
  #widths: Promise<SeededWidths> | undefined
  #proxy: FarProxy | undefined

  static async open(options: PlaceOptions): Promise<SharedPlace> {
    const [postgres, s3] = [await PostgresServer.start(['max_connections=300']), await startS3Server()]
    const buckets = {
      trow: await s3.bucket('trow'),
      widths: await s3.bucket('widths'),
      distribution: await s3.bucket('distribution'),
      remembering: await s3.bucket('remembering'),
    }
    return new SharedPlace(options, { postgres, s3, buckets, database: await postgres.newDatabase() })
  }

  private constructor(
    options: PlaceOptions,
    engines: {
      readonly postgres: PostgresServer
      readonly s3: S3Server
      readonly buckets: Buckets
      readonly database: string
    },
  ) {
    this.#options = options
    this.postgres = engines.postgres
    this.s3 = engines.s3
    this.#buckets = engines.buckets
    this.#database = engines.database
    process.on('exit', this.#kill)
  }

  get folder(): string {
    return this.#options.folder
  }

  /** The server, with the content that all of them have. */
  async served(name: ServerName): Promise<Served> {
    const filled = ofRegistry.has(name) ? 'shared' : name
    const content = this.#contents.get(filled) ?? this.#fill(filled)
    this.#contents.set(filled, content)
    const { image, tags } = await content
    return { server: await this.server(name), image, tags }
  }

  server(name: ServerName): Promise<Server> {
    const server = this.#servers.get(name) ?? this.#start(name)
    this.#servers.set(name, server)
    return server
  }

  /** Another process of the registry, which the caller stops. */
  startReplica(name: string): Promise<Server> {
    return this.#replica(name, this.#database)
  }

  /** What is in the database of `widths`. */
  widths(): Promise<SeededWidths> {
    return (this.#widths ??= this.#fillWidths())
  }

  async close(): Promise<void> {
    for (const server of this.#servers.values()) await (await server.catch(() => undefined))?.stop()
    this.#proxy?.close()
    await this.postgres.stop()
    await this.s3.stop()
    process.off('exit', this.#kill)
  }

  /** A bench that is cut off leaves no engine behind. */
  readonly #kill = (): void => {
    this.s3.kill()
    const file = join(this.postgres.dataFolder, 'postmaster.pid')
    if (existsSync(file)) process.kill(Number(readFileSync(file, 'utf8').split('\n')[0]), 'SIGQUIT')
    rmSync(this.postgres.folder, { recursive: true, force: true })
  }

  async #fill(name: ServerName): Promise<Omit<Served, 'server'>> {
    const server = await this.server(name)
    return {
      image: await seedImage(server),
      tags: await seedRepository(server, this.folder, 'bench/tags', 100),
    }
  }

  async #start(name: ServerName): Promise<Server> {
    switch (name) {
      case 'shared':
        return this.#replica(name, this.#database)
      case 'first':
      case 'second':
      case 'third':
        return this.#replica(name, this.#database, [`--workers=${workersOfThird}`])
      case 'cached':
        return this.#replica(name, this.#database, ['--cache-size=10GB'])
      case 'far':
        this.#proxy ??= await startFarProxy(this.postgres.port, farRoundTrip / 2)
        return this.#replica(name, withPort(this.#database, this.#proxy.port))
      case 'widths':
        await this.widths()
        return this.server(name)
      case 'sqlite':
        return this.#options.trow.start({ folder: join(this.folder, name), certificate: undefined })
      case 'distribution':
      case 'remembering':
        return this.#options.distribution.start({
          folder: join(this.folder, name),
          certificate: undefined,
          storage: this.#storage(name),
        })
    }
  }

  #replica(
    name: string,
    database: string,
    args: readonly string[] = [],
    bucket: keyof Buckets = 'trow',
  ): Promise<Server> {
    const folder = join(this.folder, name)
    mkdirSync(folder, { mode: 0o700 })
    const engines = [
      `--database=${database}`,
      `--s3=s3://${this.#buckets[bucket]}`,
      `--s3-endpoint=${this.s3.endpoint}`,
    ]
    return this.#options.trow.start({
      folder,
      certificate: undefined,
      args: [...engines, ...args],
      env: s3Env,
    })
  }

  /** The first start makes the tables. */
  async #fillWidths(): Promise<SeededWidths> {
    const database = await this.postgres.newDatabase()
    await (await this.#replica('widths-made', database, [], 'widths')).stop()
    const widths = await seedDatabase(database, this.#options.manifests)
    this.#servers.set('widths', this.#replica('widths', database, [], 'widths'))
    return widths
  }

  #storage(name: 'distribution' | 'remembering'): string {
    return `${name === 'remembering' ? '  cache:\n    blobdescriptor: inmemory\n' : ''}  s3:
    accesskey: ${s3Keys.accessKeyId}
    secretkey: ${s3Keys.secretAccessKey}
    region: ${s3Env.AWS_REGION}
    regionendpoint: ${this.s3.endpoint}
    forcepathstyle: true
    secure: ${this.s3.endpoint.startsWith('https:')}
    bucket: ${this.#buckets[name]}
  redirect:
    disable: true`
  }
}

function withPort(url: string, port: number): string {
  const changed = new URL(url)
  changed.port = String(port)
  return changed.href
}
