import type { BlobStore } from '../blobs/blob-store.ts'
import type { ContentPlace, ServeOptions, StorageSettings } from './storage-engine.ts'
import type { BlobTicket } from './ticket.ts'

export interface ContentName {
  readonly place: ContentPlace
  /** A path or `s3://bucket/prefix`. */
  readonly name: string
}

/** Where a registry has its blobs, found and checked. The caller closes it. */
export interface OpenedContent extends ContentName {
  /**
   * Makes it belong to `owner`, else to the registry in the data folder, once the folder is locked. Throws
   * UserError S3_OTHER_REGISTRY, S3_MARKER_LOST.
   */
  claim(owner?: ContentOwner): Promise<void>
  /** `settings`: with the path of the folder that is locked. */
  serve(settings: StorageSettings, options: ServeOptions): ContentEngine
  /** Opens the store in the calling thread. */
  openStore(settings: StorageSettings): Promise<BlobStore>
  close(): Promise<void>
}

/** The registry whose metadata is in a database, as that knows it. */
export interface ContentOwner {
  readonly id: string
  /** Whether the bucket has its marker. */
  readonly isMarked: boolean
}

/** Main's side of the store of a server's blobs. */
export interface ContentEngine {
  readonly place: ContentPlace
  /** The part of a ticket with which a thread opens the store. `worker`: as `StorageEngine.attach`. */
  ticket(worker?: number): BlobTicket
  /** Rejects with the reason if blobs cannot be stored now. */
  probe(): Promise<void>
  close(): Promise<void>
}
