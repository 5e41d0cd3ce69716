import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { missing } from '../requirements.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { s3Env, s3Programs, startS3Server, type S3Server } from '../support/s3-server.ts'
import { startedServer, startServer, type ServerProcess } from '../support/server-process.ts'

/** For `suite({ skip })`. */
export const skipReplicas = missing(...s3Programs, 'initdb', 'postgres')

/** The long forms of the tests: `npm run test:replicas`. */
export const isLong = process.env['TROW_TEST_REPLICAS'] === 'long'

export interface ReplicaOptions {
  /** Of the data folder; each replica has one of its own. */
  readonly name: string
  readonly args?: readonly string[]
  readonly preload?: URL
  readonly env?: Readonly<Record<string, string>>
}

/** A PostgreSQL and an S3 server, and processes that are one registry on a database and a bucket of them. */
export class SharedRegistry {
  readonly root = mkdtempSync(join(tmpdir(), 'trow-replicas-'))
  readonly postgres: PostgresServer
  readonly s3: S3Server
  readonly #running = new Set<ServerProcess>()

  static async start(): Promise<SharedRegistry> {
    return new SharedRegistry(await PostgresServer.start(), await startS3Server())
  }

  private constructor(postgres: PostgresServer, s3: S3Server) {
    this.postgres = postgres
    this.s3 = s3
  }

  /** Makes an empty database and a bucket. */
  async place(name: string): Promise<Place> {
    const bucket = await this.s3.bucket(name)
    const database = await this.postgres.newDatabase()
    const args = ['--database', database, `--s3=s3://${bucket}/sub`, '--s3-endpoint', this.s3.endpoint]
    return { database, bucket, args }
  }

  /** Starts one process; `SharedRegistry.stop` ends those that still run. */
  async replica(place: Place, { name, args = [], env, ...rest }: ReplicaOptions): Promise<ServerProcess> {
    const server = await startedServer({
      data: this.folder(name),
      args: [...place.args, ...(args.includes('--workers') ? [] : ['--workers', '1']), ...args],
      env: { ...s3Env, ...env },
      ...rest,
    })
    this.#running.add(server)
    return server
  }

  replicas(place: Place, names: readonly string[], args: readonly string[] = []): Promise<ServerProcess[]> {
    return Promise.all(names.map((name) => this.replica(place, { name, args })))
  }

  /** What a start that must fail has printed. */
  async refusal(name: string, args: readonly string[]): Promise<string> {
    const started = await startServer({ data: this.folder(name), args, env: s3Env })
    if ('died' in started) return started.died
    await started.kill()
    throw new Error('it started')
  }

  folder(name: string): string {
    return join(this.root, name)
  }

  /** Ends all replicas of a test. */
  async end(): Promise<void> {
    await Promise.all([...this.#running].map((server) => server.kill()))
    this.#running.clear()
  }

  async stop(): Promise<void> {
    await this.end()
    await this.postgres.stop()
    await this.s3.stop()
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** Where the processes of one registry keep it. */
export interface Place {
  readonly database: string
  readonly bucket: string
  /** The flags that name both. */
  readonly args: readonly string[]
}
