import type { Worker } from 'node:worker_threads'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Reserve } from '../blobs/reserve.ts'
import type { S3Location } from '../blobs/s3/s3-location.ts'
import type { ReadLimits } from '../metadata/postgres/barrier.ts'
import type { Pooler } from '../metadata/postgres/pooler.ts'
import type { Log } from '../log.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { ServingDatabase } from '../metadata/serving-processes.ts'
import type { Ticket } from './ticket.ts'

export type { S3Location }

/** The settings that choose where a registry stores its content. */
export interface StorageSettings {
  /** The data folder. */
  readonly folder: string
  /** Bytes of the file system that stay free. */
  readonly reserve: number
  /** Where the metadata is; undefined: in the data folder. */
  readonly database?: DatabaseSettings | undefined
  /** The bucket for blobs; undefined: the one that the folder remembers, else the folder itself. */
  readonly s3?: S3Location | undefined
  /** Bytes that a cache of a bucket's blobs may take in the data folder; 0: there is none. */
  readonly cacheBytes: number
  /** Whether clients that pull are sent to the bucket. */
  readonly s3Redirect: boolean
  /** Variables that say where credentials are (AWS_…, HOME). */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** A PostgreSQL database. */
export interface DatabaseSettings {
  /** Without a password. */
  readonly url: string
  readonly passwordFile: string | undefined
  /** As in `DatabaseAddress`; found when the registry is opened. */
  readonly pooler?: Pooler | undefined
  /** Number of HTTP workers of a server; 0: none. */
  readonly workers: number
  /** How far the reads of workers may be behind. */
  readonly limits: ReadLimits
}

/** Where blobs are: files of the data folder, or objects of a bucket. */
export type ContentPlace = 'folder' | 'bucket'

/** The storage of one registry, opened by one process. */
export interface Engines {
  /** No registry existed there before. */
  readonly fresh: boolean
  /**
   * Several processes may have the registry open at once: metadata in a database and blobs in a bucket. The data
   * folder is then scratch of this process alone, and nothing that another needs may be kept there.
   */
  readonly isShared: boolean
  readonly content: ContentPlace
  /** Where the blobs are, for people: a path or `s3://bucket/prefix`. */
  readonly place: string
  /** What makes the storage slower or weaker than it could be, for people; nothing that must be refused. */
  readonly warnings: readonly string[]
  /** Starts the storage of a server; its threads attach to it. */
  serve(options: ServeOptions): StorageEngine
  /** Opens the stores in the calling thread, for a command on a registry that is not being served. */
  openStores(): Promise<LocalStores>
  /**
   * Releases the storage for other processes. Call it after the engine has stopped, or the stores are closed.
   */
  close(): Promise<void>
}

export interface ServeOptions {
  /** Number of HTTP workers. */
  readonly workers: number
  /** Number of threads in libuv's pool. */
  readonly poolSize: number
  /** What happens to a change whose audit record cannot be stored. */
  readonly unrecorded: 'refuse' | 'allow'
  /** Bytes of the file system that stay free, which may change. */
  readonly reserve: Reserve
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
  /** As in `Engines`; every ticket says it too. */
  readonly isShared: boolean
  /** Undefined: the metadata is in the data folder. */
  readonly database: ServingDatabase | undefined
  /**
   * Returns a ticket for one more thread. `worker` is the number of an HTTP worker; undefined: another
   * thread, which opens no uploads and has no part in the shared cache.
   */
  attach(worker?: number): Ticket
  /** Releases what the worker of this number held in shared memory; called after it has died. */
  reclaim(worker: number): void
  /** Whether a durable write succeeds now. Rejects when it does not; may wait as long as the disk does. */
  probe(): Promise<WriteState>
  /** Resolves with the name of what has ended, when this process cannot go on. */
  readonly ended: Promise<string>
  /** Answers all requested changes, then ends. Call it after the attached threads have ended. */
  stop(): Promise<void>
}

export interface WriteState {
  readonly health: { readonly ok: true } | { readonly ok: false; readonly reason: string }
  /** Bytes until the reserve is reached; Infinity where there is no limit. */
  readonly freeBytes: number
  /** Undefined: not known yet, or the store has no file system of its own. */
  readonly fileSystem?: FileSystemSpace
}

export interface FileSystemSpace {
  readonly freeBytes: number
  readonly sizeBytes: number
}
