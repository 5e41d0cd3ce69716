import type { MessagePort } from 'node:worker_threads'

/** With which a thread opens its stores (`thread-stores.ts`): plain data, posted to it with `ports` transferred. */
export interface Ticket {
  readonly metadata: SqliteTicket
  readonly blobs: DiskTicket
  readonly ports: readonly MessagePort[]
}

export interface SqliteTicket {
  readonly folder: string
  /** To the writer. */
  readonly writer: MessagePort
  readonly generations: SharedArrayBuffer
  /** The cache of all workers, and the number of the one that attaches. */
  readonly shared: { readonly cache: SharedArrayBuffer; readonly worker: number } | undefined
}

export interface DiskTicket {
  readonly folder: string
  /** Bytes of the file system that stay free. */
  readonly reserve: number
  /** Flushes at once. */
  readonly flushes: number
  /** Bytes of buffers; undefined: the store's own measure. */
  readonly bufferBudget: number | undefined
}
