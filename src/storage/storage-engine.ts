import type { Worker } from 'node:worker_threads'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Log } from '../log.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { Ticket } from './ticket.ts'

/** What of a registry's settings says where it keeps what it has. */
export interface StorageSettings {
  /** The data folder. */
  readonly folder: string
  /** Bytes of its file system that stay free. */
  readonly reserve: number
}

/** What one process has opened to keep a registry in. */
export interface Engines {
  /** No registry was there before. */
  readonly fresh: boolean
  /** Starts the engine of a server, whose threads attach to it. */
  serve(options: ServeOptions): StorageEngine
  /** Stores in this very thread, for a command on a registry that nobody serves. */
  openStores(): Promise<LocalStores>
  /** Leaves it to other processes. After the engine has stopped, or the stores are closed. */
  close(): Promise<void>
}

export interface ServeOptions {
  /** HTTP workers, which share the machine. */
  readonly workers: number
  /** Threads of libuv's pool. */
  readonly poolSize: number
  /** What becomes of a change whose note for the audit cannot be kept. */
  readonly unrecorded: 'refuse' | 'allow'
  readonly log: Log
  readonly startThread: (module: URL, data: object) => Worker
}

export interface LocalStores {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  close(): Promise<void>
}

/** Main's side of a server's storage. */
export interface StorageEngine {
  /**
   * For one more thread. `worker`: the number of an HTTP worker; undefined: a thread beside them, which opens no uploads and
   * shares no cache.
   */
  attach(worker?: number): Ticket
  /** The worker of this number has died: what it held in shared memory is taken back. */
  reclaim(worker: number): void
  /** Whether something can be written durably now. Rejects where it cannot; may wait as long as the medium does. */
  probe(): Promise<WriteState>
  /** Resolves, with the name of what has ended, when this process cannot go on. */
  readonly ended: Promise<string>
  /** Answers what was asked, then ends. After the threads that have attached. */
  stop(): Promise<void>
}

export interface WriteState {
  readonly health: { readonly ok: true } | { readonly ok: false; readonly reason: string }
  /** Until the reserve is reached; Infinity where there is no limit. */
  readonly freeBytes: number
}
