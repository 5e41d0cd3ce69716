import type { MessagePort } from 'node:worker_threads'
import type { CredentialSource } from '../blobs/s3/credentials/credentials.ts'
import type { ReadLimits } from '../metadata/postgres/barrier.ts'
import type { Pooler } from '../metadata/postgres/pooler.ts'
import type { S3Location } from '../blobs/s3/s3-location.ts'

/**
 * What a thread needs to open its stores (`thread-stores.ts`): plain data, posted to the thread with `ports`
 * transferred.
 */
export interface Ticket {
  readonly metadata: SqliteTicket | PostgresTicket
  readonly blobs: BlobTicket
  /** As in `Engines`. */
  readonly isShared: boolean
  readonly ports: readonly MessagePort[]
}

export interface SqliteTicket {
  readonly kind: 'sqlite'
  readonly folder: string
  /** Connects to the writer. */
  readonly writer: MessagePort
  readonly generations: SharedArrayBuffer
  /** The cache shared by all workers, and the number of the worker that attaches. */
  readonly shared: { readonly cache: SharedArrayBuffer; readonly worker: number } | undefined
}

export interface PostgresTicket {
  readonly kind: 'postgres'
  readonly url: string
  readonly passwordFile: string | undefined
  /** As in `DatabaseAddress`. */
  readonly pooler: Pooler | undefined
  /** Connections for changes; one more is for reads. */
  readonly lanes: number
  /** Names the thread in the claims of uploads. */
  readonly holder: string
  readonly unrecorded: 'refuse' | 'allow'
  /** How far reads may be behind. */
  readonly limits: ReadLimits
  /** The data folder. */
  readonly folder: string
  readonly generations: SharedArrayBuffer
  readonly shared: SqliteTicket['shared']
}

export type BlobTicket = FolderTicket | BucketTicket

export interface FolderTicket {
  readonly kind: 'folder'
  readonly folder: string
  /** Memory of the `Reserve`: bytes of the file system that stay free. */
  readonly reserve: SharedArrayBuffer
  /** Flushes that may run at once. */
  readonly flushes: number
  /** Bytes of buffers; undefined: the store's default. */
  readonly bufferBudget: number | undefined
}

export interface BucketTicket {
  readonly kind: 'bucket'
  readonly location: S3Location
  /** Never printed. */
  readonly credentials: CredentialSource
  /** Whether clients that pull are sent to the bucket. */
  readonly redirects: boolean
  /** Bytes of buffers in which parts wait for S3. */
  readonly partBytes: number
  /** The data folder, of which the `Reserve` stays free. */
  readonly folder: string
  readonly reserve: SharedArrayBuffer
  /** The cache of all workers; undefined: this thread has none. */
  readonly cache:
    { readonly folder: string; readonly limit: number; readonly counters: SharedArrayBuffer } | undefined
}
