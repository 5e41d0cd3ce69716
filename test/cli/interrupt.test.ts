import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'trow-interrupt-'))
/** Milliseconds. The promise is one second; the rest allows for a busy machine. */
const most = 3000

/** Accepts connections and answers nothing. */
class Silent {
  readonly server: Server
  readonly #sockets = new Set<Socket>()
  #told: (() => void) | undefined

  constructor() {
    this.server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined).resume()
      this.#told?.()
    })
  }

  /** Resolves at the next connection. */
  asked(): Promise<void> {
    return new Promise((resolve) => (this.#told = resolve))
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.server.close()
  }
}

/** Sends SIGINT once `ready` resolves, when the command waits. */
async function interrupted(
  args: readonly string[],
  ready: Promise<unknown>,
): Promise<{ readonly how: unknown; readonly took: number; readonly stderr: string }> {
  const { PATH = '' } = process.env
  const env = { PATH, HOME: folder, KUBECONFIG: join(folder, 'kubeconfig') }
  const child = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const closed = once(child, 'close') as Promise<[number | null, string | null]>
  const early = closed.then(([code]) => {
    throw new Error(`it ended with ${code} before it waited: ${stderr}`)
  })
  await Promise.race([ready, early])
  early.catch(() => undefined)
  const since = performance.now()
  child.kill('SIGINT')
  const [code, signal] = await closed
  return { how: signal ?? code, took: performance.now() - since, stderr }
}

suite('Ctrl-C ends every command that waits', () => {
  const peer = new Silent()
  const control = new Silent()
  let at = ''
  const data = join(folder, 'data')

  before(async () => {
    peer.server.listen(0, '127.0.0.1')
    await once(peer.server, 'listening')
    at = `127.0.0.1:${(peer.server.address() as AddressInfo).port}`
    mkdirSync(data)
    control.server.listen(join(data, 'trow.sock'))
    await once(control.server, 'listening')
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: `http://${at}` } }],
      users: [{ name: 'u', user: { token: 'x' } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'c',
    }
    writeFileSync(join(folder, 'kubeconfig'), JSON.stringify(config), { mode: 0o600 })
  })
  after(() => {
    peer.close()
    control.close()
    rmSync(folder, { recursive: true })
  })

  const ofRegistry = (): string[][] => [
    ['list', `${at}/a/b`, '--untagged'],
    ['rm', '-y', `${at}/a/b:1`],
    ['audit', 'query', '--registry', at],
    ['audit', 'verify', '--registry', at],
    ['audit', 'follow', '--registry', at],
  ]
  const ofCluster = (): string[][] => [
    ['install', '--yes'],
    ['uninstall', '--yes'],
    ['status', '--wait'],
    ['ca', 'rotate'],
    ['connect'],
    ['audit', 'follow', '--context', 'c'],
  ]
  const ofServer = (): string[][] => [
    ['gc', '--data', data],
    ['fsck', '--data', data],
    ['backup', '--data', data, join(folder, 'backup.tar')],
    ['audit', 'query', '--data', data],
    ['audit', 'verify', '--data', data],
    ['audit', 'follow', '--data', data],
  ]
  for (const [what, silent, commands] of [
    ['a registry', peer, ofRegistry],
    ['an API server', peer, ofCluster],
    ['the server of its folder', control, ofServer],
  ] as const) {
    test(`for ${what} that does not answer`, async () => {
      for (const args of commands()) {
        const { how, took, stderr } = await interrupted(args, silent.asked())
        assert.ok(how === 130 || how === 'SIGINT', `${args.join(' ')}: ${String(how)} ${stderr}`)
        assert.ok(took < most, `${args.join(' ')} took ${took} ms`)
        assert.doesNotMatch(stderr, /Warning|This is a bug/, args.join(' '))
      }
    })
  }
})

test('Ctrl-C ends a push in the middle of a blob', async (t) => {
  const place = mkdtempSync(join(tmpdir(), 'trow-interrupt-push-'))
  t.after(() => rmSync(place, { recursive: true }))
  const layout = writeLayout(place, Buffer.alloc(64 * 2 ** 20))
  const sending = Promise.withResolvers<void>()
  // Reads the first bytes of the blob and no more.
  const registry = createHttpServer((request, response) => {
    const { method, url = '' } = request
    if (url === '/v2/') return response.end('{}')
    if (method === 'HEAD' || method === 'GET') return response.writeHead(404).end()
    if (method === 'POST') return response.writeHead(202, { Location: '/v2/a/b/blobs/uploads/1' }).end()
    request.once('data', () => {
      request.pause()
      sending.resolve()
    })
  }).listen(0, '127.0.0.1')
  await once(registry, 'listening')
  t.after(() => {
    registry.closeAllConnections()
    registry.close()
  })
  const to = `127.0.0.1:${(registry.address() as AddressInfo).port}`
  const args = ['push', '--registry', `http://${to}`, layout, 'a/b:1']
  const { how, took, stderr } = await interrupted(args, sending.promise)
  assert.equal(how, 130, stderr)
  assert.ok(took < most, `${took} ms`)
})

function writeLayout(place: string, layer: Buffer): string {
  mkdirSync(join(place, 'blobs', 'sha256'), { recursive: true })
  const put = (bytes: Buffer, mediaType: string): object => {
    const hex = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(place, 'blobs', 'sha256', hex), bytes)
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length }
  }
  const json = (value: object): Buffer => Buffer.from(JSON.stringify(value))
  const type = 'application/vnd.oci.image'
  const config = put(json({ os: 'linux', architecture: 'amd64' }), `${type}.config.v1+json`)
  const layers = [put(layer, `${type}.layer.v1.tar`)]
  const manifest = put(
    json({ schemaVersion: 2, mediaType: `${type}.manifest.v1+json`, config, layers }),
    `${type}.manifest.v1+json`,
  )
  writeFileSync(join(place, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  writeFileSync(join(place, 'index.json'), json({ schemaVersion: 2, manifests: [manifest] }))
  return place
}
