import type { AuditObjects } from '../audit-objects.ts'
import type { ByteSource } from '../blob-store.ts'
import { auditName } from './object-names.ts'
import { openObject, streamObject } from './object-stream.ts'
import { isMissing } from './s3-fault.ts'
import { sizeOf, type S3Objects } from './s3-objects.ts'

/** Segments of the audit log in the registry's bucket. */
export class S3AuditObjects implements AuditObjects {
  readonly #objects: S3Objects

  constructor(objects: S3Objects) {
    this.#objects = objects
  }

  name(segment: { readonly log: string; readonly first: number; readonly digest: string }): string {
    return auditName(segment)
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#objects.put(name, bytes)
  }

  async open(name: string): Promise<ByteSource | undefined> {
    try {
      const first = await openObject(this.#objects, name, undefined)
      const range = { start: 0, end: sizeOf(first) - 1 }
      return streamObject(this.#objects, name, range, { first }, new AbortController().signal)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  remove(name: string): Promise<void> {
    return this.#objects.remove(name)
  }

  close(): Promise<void> {
    return this.#objects.client.close()
  }
}
