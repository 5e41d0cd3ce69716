import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Generations } from '../metadata/cache/generations.ts'
import { SharedCache } from '../metadata/cache/shared-cache.ts'
import { PortRunner } from '../metadata/sqlite/writer-port.ts'
import { ThreadChannel } from '../messaging/thread-channel.ts'
import type { WriterStart, WriterThread } from '../metadata/sqlite/writer-thread.ts'
import { stackOf } from '../reason-of.ts'
import type { ContentEngine } from './content-engine.ts'
import { sharedCacheBytes } from './shared-cache-bytes.ts'
import type { ServeOptions, StorageEngine, StorageSettings, WriteState } from './storage-engine.ts'
import type { Ticket } from './ticket.ts'
import { WriteProbe } from './write-probe.ts'

/** SQLite with a writer thread, and blobs wherever they are kept. */
export class EmbeddedEngine implements StorageEngine {
  readonly isShared = false
  readonly database = undefined
  readonly ended: Promise<string>
  readonly #settings: StorageSettings
  readonly #content: ContentEngine
  readonly #channel: ThreadChannel<WriterThread>
  readonly #generations = new Generations()
  readonly #cache = SharedCache.create(sharedCacheBytes)
  readonly #probes: PortRunner
  readonly #writes: WriteProbe

  constructor(settings: StorageSettings, options: ServeOptions, content: ContentEngine) {
    this.#settings = settings
    this.#content = content
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
    this.#probes = new PortRunner(this.#attachWriter(false))
    this.#writes = new WriteProbe(settings, options.reserve, content, () =>
      this.#probes.run('probe', { now: 0 }),
    )
  }

  attach(worker?: number): Ticket {
    const { folder } = this.#settings
    const writer = this.#attachWriter(worker !== undefined)
    const shared = worker === undefined ? undefined : { cache: this.#cache.buffer, worker }
    return {
      metadata: { kind: 'sqlite', folder, writer, generations: this.#generations.buffer, shared },
      blobs: this.#content.ticket(worker),
      isShared: this.isShared,
      ports: [writer],
    }
  }

  reclaim(worker: number): void {
    this.#cache.reclaim(worker)
  }

  probe(): Promise<WriteState> {
    return this.#writes.state()
  }

  async stop(): Promise<void> {
    await this.#probes.close()
    await this.#content.close()
    this.#channel.tell('stop', [])
    await this.ended
  }

  #attachWriter(opensUploads: boolean): MessagePort {
    const { port1, port2 } = new MessageChannel()
    this.#channel.tell('attach', [port1, { opensUploads }], [port1])
    return port2
  }
}
