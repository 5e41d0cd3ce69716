import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { FreeSpace } from '../blobs/disk/free-space.ts'
import { Generations } from '../metadata/cache/generations.ts'
import { SharedCache } from '../metadata/cache/shared-cache.ts'
import { PortRunner } from '../metadata/sqlite/writer-port.ts'
import { ThreadChannel } from '../messaging/thread-channel.ts'
import type { WriterStart, WriterThread } from '../metadata/sqlite/writer-thread.ts'
import { stackOf } from '../reason-of.ts'
import type { ServeOptions, StorageEngine, StorageSettings, WriteState } from './storage-engine.ts'
import type { DiskTicket, Ticket } from './ticket.ts'

/** About 100,000 manifests of a usual size; taken as it is filled. */
const sharedCacheBytes = 96 * 1024 * 1024
/** Of blobs, all workers together. */
const bufferBytes = 16 * 1024 * 1024

/** SQLite, whose one writer is a thread of its own, and a folder of blobs. */
export class EmbeddedEngine implements StorageEngine {
  readonly ended: Promise<string>
  readonly #settings: StorageSettings
  readonly #options: ServeOptions
  readonly #channel: ThreadChannel<WriterThread>
  readonly #generations = new Generations()
  readonly #cache = SharedCache.create(sharedCacheBytes)
  readonly #space: FreeSpace
  readonly #probes: PortRunner

  constructor(settings: StorageSettings, options: ServeOptions) {
    this.#settings = settings
    this.#options = options
    const start: WriterStart = {
      folder: settings.folder,
      generations: this.#generations.buffer,
      unrecorded: options.unrecorded,
    }
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const module = new URL(`../metadata/sqlite/writer-thread.${ending}`, import.meta.url)
    const writer = options.startThread(module, start)
    this.#channel = new ThreadChannel<WriterThread>(writer)
    writer.on('error', (error) => options.log.error('the writer died', { stack: stackOf(error) }))
    this.ended = new Promise((resolve) => writer.once('exit', () => resolve('writer')))
    this.#space = new FreeSpace(settings.folder, settings.reserve)
    this.#probes = new PortRunner(this.#attachWriter(false))
  }

  attach(worker?: number): Ticket {
    const { folder } = this.#settings
    const writer = this.#attachWriter(worker !== undefined)
    const shared = worker === undefined ? undefined : { cache: this.#cache.buffer, worker }
    return {
      metadata: { folder, writer, generations: this.#generations.buffer, shared },
      blobs: this.#blobTicket(worker),
      ports: [writer],
    }
  }

  reclaim(worker: number): void {
    this.#cache.reclaim(worker)
  }

  async probe(): Promise<WriteState> {
    const freeBytes = await this.#space.room()
    if (freeBytes <= 0)
      return { health: { ok: false, reason: 'the disk is full up to the reserve' }, freeBytes }
    await this.#probes.run('probe', { now: 0 })
    return { health: { ok: true }, freeBytes }
  }

  async stop(): Promise<void> {
    await this.#probes.close()
    this.#channel.tell('stop', [])
    await this.ended
  }

  #attachWriter(opensUploads: boolean): MessagePort {
    const { port1, port2 } = new MessageChannel()
    this.#channel.tell('attach', [port1, { opensUploads }], [port1])
    return port2
  }

  /** Flushes of all workers take half of the pool at most, so that reads are not kept waiting. */
  #blobTicket(worker: number | undefined): DiskTicket {
    const { folder, reserve } = this.#settings
    if (worker === undefined) return { folder, reserve, flushes: 1, bufferBudget: undefined }
    const { workers, poolSize } = this.#options
    return {
      folder,
      reserve,
      flushes: Math.max(1, Math.floor(poolSize / 2 / workers)),
      bufferBudget: Math.floor(bufferBytes / workers),
    }
  }
}
