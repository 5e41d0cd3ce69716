import type { ByteSource } from './blob-store.ts'

/** Segments of the audit log as objects beside the blobs: small, and never changed. */
export interface AuditObjects {
  /** The name of an object that holds these lines: `digest` is their SHA-256, in hexadecimal. */
  name(segment: { readonly log: string; readonly first: number; readonly digest: string }): string
  /** It may be stored again under the same name. Durable when it resolves. */
  put(name: string, bytes: Uint8Array): Promise<void>
  /** Undefined: there is none. */
  open(name: string): Promise<ByteSource | undefined>
  /** It is no error if there is none. */
  remove(name: string): Promise<void>
  close(): Promise<void>
}
