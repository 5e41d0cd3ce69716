import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerProcess } from '../support/server-process.ts'

/** What a test pushes to: any process of a registry. `patience`: milliseconds, see `patient`. */
export type Door = Pick<ServerProcess, 'url'> & { readonly patience?: number }

/**
 * The same door, for a client that comes again while it is answered with 503 or as stale. After an engine was away
 * each thread of a process finds it anew by itself, so that one may still refuse what another has taken already.
 */
export function patient({ url }: Door, patience = 10_000): Door {
  return { url, patience }
}

export const repository = 'team/app'

export const digestOf = (bytes: string | Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`

const manifestType = 'application/vnd.oci.image.manifest.v1+json'

const at = ({ url }: Door, rest: string, name = repository): string => `${url}/v2/${name}/${rest}`

/** A manifest that differs by `text`; its config is `configOf(text)`. */
export function manifestOf(text: string): string {
  const config = configOf(text)
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: digestOf(config),
      size: config.length,
    },
    layers: [],
  })
}

export const configOf = (text: string): string => JSON.stringify({ of: text })

/** Pushes a config and its manifest under a tag. */
export async function pushImage(door: Door, tag: string, text: string): Promise<string> {
  const config = configOf(text)
  const stored = await ask(door, `blobs/uploads/?digest=${digestOf(config)}`, {
    method: 'POST',
    body: config,
  })
  assert.equal(stored.status, 201, stored.body.toString())
  return putManifest(door, tag, text)
}

/** Points the tag to the manifest of `text`, whose config is stored. */
export async function putManifest(door: Door, tag: string, text: string): Promise<string> {
  const put = await ask(door, `manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': manifestType },
    body: manifestOf(text),
  })
  assert.equal(put.status, 201, put.body.toString())
  return digestOf(manifestOf(text))
}

/** Bodies are read: the connection is free for the next request. */
export async function ask(
  door: Door,
  rest: string,
  init: RequestInit = {},
): Promise<{ readonly status: number; readonly headers: Headers; readonly body: Buffer }> {
  const until = performance.now() + (door.patience ?? 0)
  for (;;) {
    const response = await fetch(at(door, rest), init)
    const { status, headers } = response
    const body = Buffer.from(await response.arrayBuffer())
    const isAgain = status === 503 || headers.get('warning') !== null
    if (!isAgain || performance.now() >= until) return { status, headers, body }
    await sleep(100)
  }
}

/** The digest to which the tag points; undefined: there is no such tag. An answer that is marked as stale is none. */
export async function targetOf(door: Door, tag: string): Promise<string | undefined> {
  const { status, body, headers } = await ask(door, `manifests/${tag}`)
  assert.equal(headers.get('warning'), null, 'the database has not answered for 5 s')
  if (status === 404) return undefined
  assert.equal(status, 200, body.toString())
  return digestOf(body)
}

export async function tagsOf(door: Door): Promise<readonly string[]> {
  const { status, body } = await ask(door, 'tags/list')
  if (status === 404) return []
  return (JSON.parse(body.toString()) as { readonly tags: readonly string[] }).tags
}

/** An upload that any process takes on: its path, and how far it has come. */
export class Upload {
  readonly #path: string
  offset = 0

  private constructor(path: string) {
    this.#path = path
  }

  static async open(door: Door): Promise<Upload> {
    const opened = await fetch(at(door, 'blobs/uploads/'), { method: 'POST' })
    assert.equal(opened.status, 202, await opened.text())
    return new Upload(new URL(opened.headers.get('location') ?? '', door.url).pathname)
  }

  url({ url }: Door): string {
    return `${url}${this.#path}`
  }

  /** Sends a chunk, of which `offset` says where it begins. */
  async patch(door: Door, chunk: Uint8Array): Promise<Response> {
    const response = await fetch(this.url(door), {
      method: 'PATCH',
      body: new Uint8Array(chunk),
      headers: { 'content-range': `${this.offset}-${this.offset + chunk.length - 1}` },
    })
    if (response.status === 202) this.offset += chunk.length
    return response
  }

  /** How many bytes the process says that it has. */
  async status(door: Door): Promise<number> {
    const response = await fetch(this.url(door))
    assert.equal(response.status, 204, await response.text())
    const [, end = '-1'] = (response.headers.get('range') ?? '').split('-')
    return Number(end) + 1
  }

  close(door: Door, digest: string): Promise<Response> {
    return fetch(`${this.url(door)}?digest=${digest}`, { method: 'PUT' })
  }

  cancel(door: Door): Promise<Response> {
    return fetch(this.url(door), { method: 'DELETE' })
  }
}

/** A PATCH whose body is sent bit by bit. */
export interface SlowPatch {
  /** Resolves once the bytes are on their way. */
  send(bytes: Uint8Array): Promise<void>
  end(): void
  /** The status and the body; `lost`: the connection ended without an answer. */
  readonly answer: Promise<{ readonly status: number; readonly text: string } | 'lost'>
}

export function slowPatch(door: Door, upload: Upload, length: number): SlowPatch {
  const { promise, resolve } = Promise.withResolvers<Awaited<SlowPatch['answer']>>()
  const headers = { 'content-length': length, 'content-type': 'application/octet-stream' }
  const sent = request(upload.url(door), { method: 'PATCH', headers }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (more: string) => (text += more))
    response.once('end', () => resolve({ status: response.statusCode ?? 0, text }))
    response.once('close', () => resolve('lost'))
  })
  sent.on('error', () => resolve('lost'))
  return {
    send: (bytes) =>
      new Promise((done, fail) => sent.write(bytes, (error) => (error ? fail(error) : done()))),
    end: () => void sent.end(),
    answer: promise,
  }
}
