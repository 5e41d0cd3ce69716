import type { ByteSource } from '../blobs/blob-store.ts'

/** Names and values in turn, as they go out: `['Content-Type', 'application/json', …]`. */
export type FlatHeaders = string[]

/** A body that is made while it is sent. */
export interface StreamBody {
  /** Undefined: not known before its end. */
  readonly length: number | undefined
  /** Bytes in memory until it is sent, where they are many. */
  readonly holds?: number
  stream(): ByteSource
  /** Called once, whether the body was sent, cut short or not wanted (HEAD). */
  close(): void
}

/** What a handler answers. The writer adds Content-Length; nobody else touches the socket. */
export interface Reply {
  readonly status: number
  readonly headers: FlatHeaders
  /** Undefined: an empty body. Taken out of a reply that has to wait. */
  body?: Uint8Array | string | StreamBody | undefined
  /** Of the whole body: replies with the same one may be sent from the same memory. */
  readonly digest?: string
  /** The length a GET would have had, for a HEAD that does not open the content. */
  readonly length?: number
}

export function isStreamBody(body: Reply['body']): body is StreamBody {
  return typeof body === 'object' && !(body instanceof Uint8Array)
}

export function jsonReply(status: number, value: unknown, headers: FlatHeaders = []): Reply {
  headers.push('Content-Type', 'application/json')
  return { status, headers, body: JSON.stringify(value) }
}
