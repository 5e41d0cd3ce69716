import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, residentMegabytes, startServer, type Server } from './server.ts'

/** One route with the largest input that it takes. */
export interface InputResult {
  readonly route: string
  readonly input: string
  /** Of body or reply, whichever is larger. */
  readonly bytes: number
  readonly status: number
  /** Milliseconds of CPU of the longest turn. */
  readonly worker: number
  readonly writer: number
  /** Of the same bytes, in this process. */
  readonly parse: number
  /** MB above what the server had before. */
  readonly memory: number
}

interface Input {
  readonly route: string
  readonly input: string
  request(url: string): Promise<Response>
  readonly body?: string
}

const imageType = 'application/vnd.oci.image.manifest.v1+json'
const indexType = 'application/vnd.oci.image.index.v1+json'
const foreign = 'application/vnd.docker.image.rootfs.foreign.x'
const megabyte = 1024 * 1024

export async function measureInputs(
  folder: string,
  checkout: string,
  note: (text: string) => void,
): Promise<InputResult[]> {
  const turns = join(folder, 'turns')
  writeFileSync(turns, '')
  const port = await freePort()
  const data = join(folder, 'data')
  const args = [
    '--import',
    fileURLToPath(new URL('turn-hook.ts', import.meta.url)),
    join(checkout, 'bin', 'trow.js'),
  ]
  const server = await startServer(
    {
      program: process.execPath,
      args: [
        ...args,
        'serve',
        `--listen=127.0.0.1:${port}`,
        `--data=${data}`,
        '--workers=1',
        '--access-log=off',
      ],
      env: { TURN_FILE: turns },
    },
    { port, folder: data, tls: false },
  )
  try {
    await prepare(server.url)
    const results: InputResult[] = []
    for (const input of inputs()) results.push(await measure(server, turns, input, note))
    return results
  } finally {
    await server.stop()
  }
}

async function measure(
  server: Server,
  turns: string,
  input: Input,
  note: (text: string) => void,
): Promise<InputResult> {
  await pause(300)
  const from = Date.now()
  const before = residentMegabytes(server.pid)
  let peak = before
  const timer = setInterval(() => (peak = Math.max(peak, residentMegabytes(server.pid))), 20)
  const response = await input.request(server.url)
  const reply = await response.text()
  await pause(100)
  clearInterval(timer)
  const longest = { worker: 0, writer: 0 }
  for (const line of readFileSync(turns, 'utf8').split('\n')) {
    const [at = '', thread = '', cpu = ''] = line.split(' ')
    if (Number(at) >= from && (thread === 'worker' || thread === 'writer')) {
      longest[thread] = Math.max(longest[thread], Number(cpu))
    }
  }
  const text = input.body !== undefined && input.body.length > reply.length ? input.body : reply
  const result = {
    route: input.route,
    input: input.input,
    bytes: text.length,
    status: response.status,
    ...longest,
    parse: parseTime(text),
    memory: peak - before,
  }
  note(
    `${input.route}: ${input.input}: ${response.status}, worker ${longest.worker} ms, writer ${longest.writer} ms`,
  )
  return result
}

/** The median of five; NaN for what is no JSON. */
function parseTime(text: string): number {
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const begun = process.threadCpuUsage()
    try {
      JSON.parse(text)
    } catch {
      return NaN
    }
    const { user, system } = process.threadCpuUsage(begun)
    times.push((user + system) / 1000)
  }
  return times.sort((a, b) => a - b)[2] ?? NaN
}

const layers = Array.from({ length: 10_000 }, () => digestOf(randomBytes(8)))
const subject = digestOf(Buffer.from('subject'))
const large = image({ layers: layers.map((digest) => descriptor(digest, foreign)) })

async function prepare(url: string): Promise<void> {
  const tagged = image({ annotations: { tagged: 'often' } })
  for (let first = 0; first < 12_000; first += 100) {
    const tags = Array.from(
      { length: 100 },
      (_, each) => `tag=t${String(first + each).padStart(6, '0')}`,
    ).join('&')
    await put(url, 'tags', `${digestOf(Buffer.from(tagged))}?${tags}`, tagged)
  }
  const children: object[] = []
  for (let each = 0; each < 20; each++) {
    const annotations = { each: `${each} `.padEnd(2 * megabyte, 'a') }
    const referrer = image({ artifactType: 'a/b', subject: descriptor(subject, imageType), annotations })
    await put(url, 'referrers', digestOf(Buffer.from(referrer)), referrer)
    const child = image({ unknown: `${each} `.padEnd(3 * megabyte, 'b') })
    await put(url, 'fallback', digestOf(Buffer.from(child)), child)
    children.push({ ...descriptor(digestOf(Buffer.from(child)), imageType), size: child.length })
  }
  const gone = layers.slice(0, 9980).map((digest) => descriptor(digest, foreign))
  await put(url, 'fallback', subject.replace(':', '-'), index([...gone, ...children]), indexType)
  for (let each = 0; each < 300; each++) await put(url, `many/r${each}`, 'latest', tagged)
}

function inputs(): Input[] {
  const members = image({
    annotations: Object.fromEntries(
      Array.from({ length: 39_900 }, (_, each) => [`${each}`.padEnd(40, 'x'), '']),
    ),
  })
  const lists = image({ unknown: Array.from({ length: 130_000 }, () => []) })
  const text = image({ annotations: { text: 'a\n'.repeat(1.3 * megabyte) } })
  const children = index(layers.map((digest) => descriptor(digest, foreign)))
  const tooMany = image({
    layers: Array.from({ length: 35_000 }, (_, each) => descriptor(layers[each % 10_000] ?? '', 'a')),
  })
  const tags = Array.from({ length: 100 }, (_, each) => `tag=x${each}`).join('&')
  const small = Array.from({ length: 256 }, (_, each) =>
    image({
      layers: layers.slice(0, 100).map((digest) => descriptor(digest, foreign)),
      annotations: { each: `${each}` },
    }),
  )
  const pushed = (input: string, body: string, reference = 'x', type = imageType): Input => ({
    route: 'PUT manifest',
    input,
    body,
    request: (url) => put(url, 'inputs', reference, body, type),
  })
  const got = (route: string, input: string, path: string): Input => ({
    route,
    input,
    request: (url) => fetch(url + path),
  })
  return [
    pushed('10,000 layers', large),
    pushed('35,000 layers (refused)', tooMany),
    pushed('39,900 different names', members),
    pushed('130,000 lists', lists),
    pushed('one text of 4 MiB', text),
    pushed('index of 10,000', children, 'index', indexType),
    pushed('10,000 layers under 100 tags', large, `${digestOf(Buffer.from(large))}?${tags}`),
    {
      route: 'PUT manifest',
      input: '256 at once, 100 layers each',
      request: async (url) =>
        (await Promise.all(small.map((body, each) => put(url, 'inputs', `s${each}`, body))))[0] as Response,
    },
    got('GET manifest', '4 MiB', '/v2/inputs/manifests/x'),
    {
      route: 'DELETE manifest',
      input: '10,000 layers, 100 tags',
      request: (url) =>
        fetch(`${url}/v2/inputs/manifests/${digestOf(Buffer.from(large))}`, { method: 'DELETE' }),
    },
    got('GET tags', 'all of 12,000', '/v2/tags/tags/list'),
    got('GET tags', 'n=999999999', '/v2/tags/tags/list?n=999999999'),
    got('GET catalogue', 'all', '/v2/_catalog'),
    got('GET referrers', '20 of 2 MiB', `/v2/referrers/referrers/${subject}`),
    got('GET referrers', 'of one type', `/v2/referrers/referrers/${subject}?artifactType=a/b`),
    got('GET referrers', 'fallback index of 10,000', `/v2/fallback/referrers/${subject}`),
    {
      route: 'DELETE manifest',
      input: '12,000 tags',
      request: (url) =>
        fetch(
          `${url}/v2/tags/manifests/${digestOf(Buffer.from(image({ annotations: { tagged: 'often' } })))}`,
          { method: 'DELETE' },
        ),
    },
    {
      route: 'POST upload',
      input: 'mount from anywhere',
      request: (url) => fetch(`${url}/v2/inputs/blobs/uploads/?mount=${subject}`, { method: 'POST' }),
    },
    {
      route: 'POST blob',
      input: '64 MiB',
      request: (url) => {
        const body = randomBytes(64 * megabyte)
        return fetch(`${url}/v2/inputs/blobs/uploads/?digest=${digestOf(body)}`, { method: 'POST', body })
      },
    },
  ]
}

async function put(
  url: string,
  repository: string,
  reference: string,
  body: string,
  type = imageType,
): Promise<Response> {
  return fetch(`${url}/v2/${repository}/manifests/${reference}`, {
    method: 'PUT',
    body,
    headers: { 'Content-Type': type },
  })
}

function image(fields: object): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: imageType,
    config: descriptor(subject, foreign),
    layers: [],
    ...fields,
  })
}

function index(manifests: readonly object[]): string {
  return JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests })
}

function descriptor(digest: string, mediaType: string): object {
  return { mediaType, digest, size: 1 }
}

function digestOf(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

export function printInputs(results: readonly InputResult[]): string {
  const lines = [
    '| route | input | status | MB | worker ms | writer ms | JSON.parse ms | worker / parse | writer / parse | peak MB |',
    '|---|---|---:|---:|---:|---:|---:|---:|---:|---:|',
  ]
  for (const { route, input, status, bytes, worker, writer, parse, memory } of results) {
    const of = (turn: number): string => (parse > 0 ? (turn / parse).toFixed(1) : '')
    const cells = [
      status,
      (bytes / 1e6).toFixed(2),
      worker,
      writer,
      parse.toFixed(1),
      of(worker),
      of(writer),
      memory.toFixed(0),
    ]
    lines.push(`| ${route} | ${input} | ${cells.join(' | ')} |`)
  }
  return lines.join('\n')
}
