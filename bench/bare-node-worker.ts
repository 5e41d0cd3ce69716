import { randomBytes, randomUUID } from 'node:crypto'
import fs from 'node:fs'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import { join } from 'node:path'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { sendFile, takeLarge, takeSmall } from './bare-node-files.ts'
import type { BareNodeStart } from './bare-node.ts'
import type { JournalEntry, JournalNews, JournalOrder } from './bare-node-journal.ts'

const { start, journal } = workerData as { start: BareNodeStart; journal: MessagePort }
const inlineLimit = 32 * 1024
const entries = new Map<string, JournalEntry>()
const tags = new Map<string, string[]>()
const files = new Map<string, number>()
const pending = new Map<number, () => void>()
const idPrefix = randomUUID().slice(0, 8)
let lastId = 0
let lastOrder = 0

journal.on('message', (news: JournalNews) => {
  if ('entries' in news) return news.entries.forEach(learn)
  for (const id of news.acknowledged) {
    pending.get(id)?.()
    pending.delete(id)
  }
})

const options: https.ServerOptions = {
  requestTimeout: 0,
  keepAliveTimeout: 125_000,
  noDelay: true,
  ...(start.cert === undefined
    ? {}
    : { cert: start.cert, key: start.key, minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] }),
}
const server = start.cert === undefined ? http.createServer(options) : https.createServer(options)
server.on('request', handle)
server.listen({ host: '127.0.0.1', port: start.port, reusePort: true, backlog: 4096 }, () =>
  parentPort?.postMessage('listening'),
)

function handle(request: IncomingMessage, response: ServerResponse): void {
  const url = request.url as string
  const method = request.method as string
  const mark = url.indexOf('?')
  const path = mark === -1 ? url : url.slice(0, mark)
  const last = path.lastIndexOf('/')
  const kind = path.lastIndexOf('/', last - 1)
  const repository = path.slice(4, kind)
  const reference = path.slice(last + 1)
  const word = path.slice(kind + 1, last)
  if (method === 'GET' || method === 'HEAD') {
    if (word === 'manifests') return sendManifest(response, method, entries.get(`${repository}:${reference}`))
    if (word === 'blobs') return sendBlob(response, method, entries.get(`${repository}@${reference}`))
    if (word === 'tags') return sendTags(response, repository, new URLSearchParams(url.slice(mark + 1)))
    return reply(response, 200, ['Content-Type', 'application/json'], Buffer.from('{}'))
  }
  if (method === 'POST') return openUpload(response, path)
  if (word === 'manifests') return putManifest(request, response, repository, reference)
  putBlob(request, response, path.slice(4, path.lastIndexOf('/blobs/uploads/')))
}

function sendManifest(response: ServerResponse, method: string, entry: JournalEntry | undefined): void {
  if (entry?.bytes === undefined) return reply(response, 404, [])
  const headers = ['Content-Type', entry.mediaType, 'Docker-Content-Digest', entry.digest]
  headers.push('ETag', `"${entry.digest}"`, 'Cache-Control', 'no-cache')
  reply(response, 200, headers, entry.bytes, method === 'HEAD')
}

function sendBlob(response: ServerResponse, method: string, entry: JournalEntry | undefined): void {
  if (entry === undefined) return reply(response, 404, [])
  const headers = ['Docker-Content-Digest', entry.digest, 'Accept-Ranges', 'bytes']
  headers.push('ETag', `"${entry.digest}"`, 'Cache-Control', 'max-age=31536000, immutable')
  headers.push('Content-Type', 'application/octet-stream')
  if (entry.bytes !== undefined) return reply(response, 200, headers, entry.bytes, method === 'HEAD')
  writeHead(response, 200, headers, entry.size)
  if (method === 'HEAD') return void response.end()
  const key = entry.key as string
  let fd = files.get(key)
  if (fd === undefined) {
    fd = fs.openSync(join(start.folder, 'blobs', key.slice(0, 2), key), 'r')
    files.set(key, fd)
  }
  sendFile(response, fd, entry.size)
}

function sendTags(response: ServerResponse, repository: string, query: URLSearchParams): void {
  const all = tags.get(repository) ?? []
  const count = Number(query.get('n') ?? all.length)
  const after = query.get('last')
  const from = after === null ? 0 : place(all, `${after}\0`)
  const page = all.slice(from, from + count)
  const headers = ['Content-Type', 'application/json']
  if (from + count < all.length) {
    headers.push('Link', `</v2/${repository}/tags/list?n=${count}&last=${page.at(-1)}>; rel="next"`)
  }
  reply(response, 200, headers, Buffer.from(JSON.stringify({ name: repository, tags: page })))
}

function openUpload(response: ServerResponse, path: string): void {
  const id = randomUUID()
  reply(response, 202, ['Location', `${path}${id}`, 'Range', '0-0', 'Docker-Upload-UUID', id])
}

function putBlob(request: IncomingMessage, response: ServerResponse, repository: string): void {
  const common = { kind: 'blob', mediaType: 'application/octet-stream' } as const
  const stored = (entry: Omit<JournalEntry, 'keys' | 'kind' | 'mediaType'>): void => {
    const { digest } = entry
    append({ ...common, ...entry, keys: [`${repository}@${digest}`] }, () =>
      reply(response, 201, [
        'Location',
        `/v2/${repository}/blobs/${digest}`,
        'Docker-Content-Digest',
        digest,
      ]),
    )
  }
  if (Number(request.headers['content-length']) <= inlineLimit) {
    return takeSmall(request, (bytes, digest) =>
      stored({ digest, size: bytes.length, bytes, key: undefined }),
    )
  }
  const key = randomBytes(16).toString('hex')
  takeLarge(request, { folder: start.folder, key }, (size, digest) =>
    stored({ digest, size, bytes: undefined, key }),
  )
}

function putManifest(
  request: IncomingMessage,
  response: ServerResponse,
  repository: string,
  reference: string,
): void {
  takeSmall(request, (bytes, digest) => {
    const mediaType = request.headers['content-type'] as string
    const keys = [`${repository}:${reference}`, `${repository}:${digest}`]
    append({ kind: 'manifest', keys, digest, size: bytes.length, bytes, key: undefined, mediaType }, () => {
      const location = `/v2/${repository}/manifests/${reference}`
      reply(response, 201, ['Location', location, 'Docker-Content-Digest', digest])
    })
  })
}

function append(entry: JournalEntry, done: () => void): void {
  const id = ++lastOrder
  pending.set(id, done)
  journal.postMessage({ id, entry } satisfies JournalOrder)
}

function learn(entry: JournalEntry): void {
  for (const key of entry.keys) entries.set(key, entry)
  if (entry.kind !== 'manifest') return
  const [repository, tag] = (entry.keys[0] as string).split(':') as [string, string]
  let list = tags.get(repository)
  if (list === undefined) tags.set(repository, (list = []))
  const index = place(list, tag)
  if (list[index] !== tag) list.splice(index, 0, tag)
}

/** Where `name` stands in a sorted list, or would. */
function place(sorted: readonly string[], name: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as string) < name) low = middle + 1
    else high = middle
  }
  return low
}

function writeHead(response: ServerResponse, status: number, headers: string[], length: number): void {
  headers.push('Docker-Distribution-API-Version', 'registry/2.0', 'X-Content-Type-Options', 'nosniff')
  headers.push('X-Request-Id', `${idPrefix}-${(++lastId).toString(36)}`, 'Content-Length', String(length))
  response.writeHead(status, headers)
}

function reply(
  response: ServerResponse,
  status: number,
  headers: string[],
  body?: Uint8Array,
  bodiless = false,
): void {
  writeHead(response, status, headers, body?.byteLength ?? 0)
  if (bodiless) response.end()
  else response.end(body)
}
