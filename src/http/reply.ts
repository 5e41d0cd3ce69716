import type { ByteSource } from '../blobs/blob-store.ts'

/** Names and values alternate, in the order of sending: `['Content-Type', 'application/json', …]`. */
export type FlatHeaders = string[]

/** A body that is generated while it is sent. */
export interface StreamBody {
  /** Undefined: not known before its end. */
  readonly length: number | undefined
  /** Bytes that the body holds in memory until it is sent. Undefined: few. */
  readonly holds?: number
  stream(): ByteSource
  /** Called once, whether the body was sent, cut short or not wanted (HEAD). */
  close(): void
}

/** A handler's reply. The writer adds Content-Length; no other code writes to the socket. */
export interface Reply {
  readonly status: number
  readonly headers: FlatHeaders
  /** Undefined: an empty body, or one removed from a reply that waits for room. */
  body?: Uint8Array | string | StreamBody | undefined
  /** Digest of the whole body. Replies with the same digest may be sent from the same memory. */
  readonly digest?: string
  /** Content-Length of a HEAD whose handler does not open the content: the length of the GET reply. */
  readonly length?: number
}

export function isStreamBody(body: Reply['body']): body is StreamBody {
  return typeof body === 'object' && !(body instanceof Uint8Array)
}

export function jsonReply(status: number, value: unknown, headers: FlatHeaders = []): Reply {
  headers.push('Content-Type', 'application/json')
  return { status, headers, body: JSON.stringify(value) }
}
