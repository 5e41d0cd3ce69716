import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startFaultProxy, type FaultProxy } from '../../support/fault-proxy.ts'
import { freePort } from '../../support/free-port.ts'
import { eventually } from '../../support/program.ts'
import { PostgresServer } from '../../support/postgres-server.ts'
import { s3Env, startS3Server, type S3Server } from '../../support/s3-server.ts'
import { startServer, type ServerProcess } from '../../support/server-process.ts'
import { startTcpSwitch, type TcpSwitch } from '../../support/tcp-switch.ts'
import { Doors } from './doors.ts'

/**
 * Settings with which garbage goes soon. The grace is longer than a lease (60 s) and the pauses of a busy machine: after a
 * promotion, the lease of a collection whose end was lost with the old primary still stands, and keeps others from saying
 * why they delete nothing.
 */
const busyCollector =
  '--gc-interval 2s --gc-grace 2m --delete-delay 90s --upload-expiry 30s --fsck-rate 0 --cache-size 200MiB'.split(
    ' ',
  )
const database = 'registry'

/** A process of the registry, through its lives. */
interface Replica {
  readonly name: string
  readonly port: number
  readonly workers: number
  /** A file with the milliseconds by which its clock is wrong. */
  readonly clock: string
  server: ServerProcess | undefined
  /** What its earlier lives have said, and how often it was killed. */
  said: string
  kills: number
}

/**
 * Three processes of one registry, a PostgreSQL with an asynchronous standby behind a fixed port, and an S3 server
 * behind a proxy that fails as planned.
 */
export class Scene {
  readonly root: string
  readonly s3: S3Server
  readonly #bucket: string
  readonly proxy: FaultProxy
  /** The way of the processes to the primary, and of the standby to it. */
  readonly toPrimary: TcpSwitch
  readonly toSource: TcpSwitch
  readonly replicas: readonly Replica[]
  readonly doors: Doors
  primary: PostgresServer
  standby: PostgresServer | undefined

  static async start(random: () => number): Promise<Scene> {
    const primary = await PostgresServer.start(['wal_keep_size=1GB', 'max_slot_wal_keep_size=2GB'])
    await primary.query('postgres', `create database ${database}`)
    const s3 = await startS3Server()
    const scene = new Scene({
      root: mkdtempSync(join(tmpdir(), 'trow-faults-')),
      primary,
      s3,
      bucket: await s3.bucket('faults'),
      proxy: await startFaultProxy(s3.endpoint),
      toPrimary: await startTcpSwitch(primary.port),
      toSource: await startTcpSwitch(primary.port),
      ports: [await freePort(), await freePort(), await freePort()],
      random,
    })
    for (const index of scene.replicas.keys()) await scene.begin(index)
    await scene.addStandby()
    return scene
  }

  private constructor(parts: {
    readonly root: string
    readonly primary: PostgresServer
    readonly s3: S3Server
    readonly bucket: string
    readonly proxy: FaultProxy
    readonly toPrimary: TcpSwitch
    readonly toSource: TcpSwitch
    readonly ports: readonly number[]
    readonly random: () => number
  }) {
    this.root = parts.root
    this.primary = parts.primary
    this.s3 = parts.s3
    this.#bucket = parts.bucket
    this.proxy = parts.proxy
    this.toPrimary = parts.toPrimary
    this.toSource = parts.toSource
    const names = ['a', 'b', 'c']
    this.replicas = parts.ports.map((port, index) => ({
      name: names[index] ?? '',
      port,
      workers: index === 1 ? 2 : 1,
      clock: join(this.root, `clock-${names[index]}`),
      server: undefined,
      said: '',
      kills: 0,
    }))
    this.doors = new Doors(
      parts.ports.map((port) => `http://127.0.0.1:${port}`),
      parts.random,
    )
  }

  folder(index: number): string {
    return join(this.root, this.replica(index).name)
  }

  replica(index: number): Replica {
    const replica = this.replicas[index]
    if (replica === undefined) throw new Error(`there is no process ${index}`)
    return replica
  }

  /** Flags that name the database and the bucket. */
  get place(): readonly string[] {
    return [
      `--database=postgres://postgres@127.0.0.1:${this.toPrimary.port}/${database}`,
      `--s3=s3://${this.#bucket}/sub`,
      `--s3-endpoint=${this.proxy.endpoint}`,
    ]
  }

  /** Starts a process, again after it was killed. */
  async begin(index: number): Promise<void> {
    const replica = this.replica(index)
    const server = await startServer({
      data: this.folder(index),
      port: replica.port,
      args: [...this.place, '--workers', String(replica.workers), ...busyCollector],
      preload: new URL('../../support/set-clock.ts', import.meta.url),
      env: { ...s3Env, CLOCK_AHEAD: replica.clock },
    })
    if ('died' in server) throw new Error(`process ${replica.name} does not start again: ${server.died}`)
    replica.server = server
    this.doors.rest(index, false)
  }

  async kill(index: number): Promise<void> {
    const replica = this.replica(index)
    this.doors.rest(index, true)
    await replica.server?.kill()
    replica.said = this.said(index)
    replica.server = undefined
    replica.kills++
  }

  signal(index: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
    const { server } = this.replica(index)
    if (server !== undefined) process.kill(server.pid, signal)
    this.doors.rest(index, signal === 'SIGSTOP')
  }

  setClock(index: number, ahead: number): void {
    writeFileSync(this.replica(index).clock, String(ahead))
  }

  /** All that a process has said. */
  said(index: number): string {
    const { said, server } = this.replica(index)
    return said + (server?.output() ?? '')
  }

  /** The number of times that any process has said it. */
  count(words: RegExp): number {
    return this.replicas
      .map((_, index) => this.said(index).match(new RegExp(words, 'g'))?.length ?? 0)
      .reduce((sum, count) => sum + count, 0)
  }

  /** Asks the primary, which may still recover. */
  query(text: string): Promise<Record<string, unknown>[]> {
    return eventually(() => this.primary.query(database, text))
  }

  async addStandby(): Promise<void> {
    this.toSource.lead(this.primary.port)
    this.standby = await this.primary.standby(this.toSource.port)
  }

  async stop(): Promise<void> {
    this.doors.close()
    await Promise.all(
      this.replicas.map(async ({ server }) => {
        if (server !== undefined) process.kill(server.pid, 'SIGCONT')
        await server?.kill()
      }),
    )
    await this.standby?.stop()
    await this.primary.stop()
    for (const way of [this.toPrimary, this.toSource, this.proxy]) await way.close()
    await this.s3.stop()
    rmSync(this.root, { recursive: true, force: true })
  }
}
