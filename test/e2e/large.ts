import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { startCutProxy } from '../support/cut-proxy.ts'
import { writeLayout, type WrittenImage } from '../support/local-images.ts'
import { Cluster } from './cluster.ts'
import { ForwardedRegistry } from './forwarded-registry.ts'
import { clusterProblem, installClusterComponents } from './requirements.ts'

// `npm run test:e2e:large [-- MEGABYTES]`: an image of 5 GB pushed by `trow push` and pulled through `trow connect`, each
// cut in the middle; says how long that took and how much memory the command line needed, and fails beyond 200 MiB.

const program = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))
const megabytes = Number(process.argv[2] ?? 5000)
const mostMemory = 200 * 1024
const [namespace, team] = ['large-test', 'large-team']

installClusterComponents(console.log)
assert.equal(clusterProblem(), false)
const cluster = await Cluster.open()
const folder = mkdtempSync(join(tmpdir(), 'trow-large-'))
const proxy = await startCutProxy((await cluster.relay()).port)
const children = new Set<ChildProcess>()
let registry: ForwardedRegistry | undefined
try {
  registry = await ForwardedRegistry.start(cluster, namespace, [team])
  await registry.permit('ada', team, ['get', 'list', 'create', 'update'])
  const kubeconfig = await cluster.clientKubeconfig({
    user: 'ada',
    server: `https://127.0.0.1:${proxy.port}`,
  })
  const env = { ...process.env, KUBECONFIG: kubeconfig, TROW_NAMESPACE: namespace }
  const parts = [0.5, 0.3, 0.2].map((part) => Math.round(part * megabytes * 1e6))
  const image = await writeLayout(join(folder, 'image'), parts)
  await pushed(image, env)
  await pulled(image, env, { key: kubeconfig, caFile: registry.caFile })
} finally {
  for (const child of children) child.kill('SIGKILL')
  await registry?.close([team])
  await proxy.close()
  await cluster.close()
  rmSync(folder, { recursive: true, force: true })
}

async function pushed({ folder: layout, layers }: WrittenImage, env: NodeJS.ProcessEnv): Promise<void> {
  const bytes = layers.reduce((sum, { size }) => sum + size, 0)
  const stop = cutAt(() => proxy.sent, bytes / 2)
  const started = Date.now()
  const child = start(['push', layout, `${team}/large:1`], env)
  const memory = watchMemory(child)
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  const [code] = (await once(child, 'exit')) as [number]
  stop()
  report('pushed', { bytes, started, peak: memory(), travelled: proxy.sent })
  assert.equal(code, 0, stderr)
  assert.match(stderr, /going on/)
}

/** Downloads as an engine does: a Range request begins where the last connection ended. */
async function pulled(
  { layers }: WrittenImage,
  env: NodeJS.ProcessEnv,
  { key, caFile }: { readonly key: string; readonly caFile: string },
): Promise<void> {
  const bytes = layers.reduce((sum, { size }) => sum + size, 0)
  const child = start(['connect', '--port', '0'], env)
  const memory = watchMemory(child)
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1])
  const before = proxy.received
  const stop = cutAt(() => proxy.received - before, bytes / 2)
  const started = Date.now()
  let cuts = 0
  for (const { digest, size } of layers) {
    const hash = createHash('sha256')
    for (let offset = 0; offset < size;) {
      try {
        for await (const chunk of await ask(port, digest, offset, { key, caFile })) {
          hash.update(chunk as Buffer)
          offset += (chunk as Buffer).length
        }
      } catch {
        cuts++
      }
    }
    assert.equal(`sha256:${hash.digest('hex')}`, digest)
  }
  stop()
  report('pulled', { bytes, started, peak: memory(), travelled: proxy.received - before })
  assert.ok(cuts > 0, 'it was not cut')
  child.kill('SIGINT')
  assert.deepEqual(await once(child, 'exit'), [130, null])
}

async function ask(
  port: number,
  digest: string,
  offset: number,
  { key: kubeconfig, caFile }: { readonly key: string; readonly caFile: string },
): Promise<IncomingMessage> {
  const [{ user }] = (
    JSON.parse(readFileSync(kubeconfig, 'utf8')) as { users: [{ user: Record<string, string> }] }
  ).users
  const pem = (name: string): Buffer => Buffer.from(user[name] ?? '', 'base64')
  const request = get({
    host: '127.0.0.1',
    port,
    path: `/v2/${team}/large/blobs/${digest}`,
    headers: { range: `bytes=${offset}-` },
    ca: readFileSync(caFile),
    cert: pem('client-certificate-data'),
    key: pem('client-key-data'),
    servername: `trow.${namespace}.svc`,
    agent: false,
  })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  if (response.statusCode !== 206) throw new Error(`${response.statusCode}: ${await text(response)}`)
  return response
}

function start(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn(process.execPath, [program, ...args], { env, stdio: 'pipe' })
  children.add(child)
  return child
}

function cutAt(seen: () => number, bytes: number): () => void {
  const timer = setInterval(() => {
    if (seen() < bytes) return
    clearInterval(timer)
    proxy.cut()
  }, 10)
  return () => clearInterval(timer)
}

/** Resolves to the largest resident memory of a process, in KiB. It is read while the process lives. */
function watchMemory({ pid }: ChildProcess): () => number {
  let peak = 0
  const look = (): void => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0))
    } catch {
      // The process has ended.
    }
  }
  const timer = setInterval(look, 200)
  return () => {
    look()
    clearInterval(timer)
    return peak
  }
}

function report(
  what: string,
  figures: {
    readonly bytes: number
    readonly started: number
    readonly peak: number
    readonly travelled: number
  },
): void {
  const seconds = (Date.now() - figures.started) / 1000
  const rate = Math.round(figures.bytes / seconds / 1e6)
  console.log(
    `${what} ${(figures.bytes / 1e9).toFixed(2)} GB in ${Math.round(seconds)} s (${rate} MB/s), ` +
      `${(figures.travelled / 1e9).toFixed(2)} GB on the wire, peak memory of the command ${Math.round(figures.peak / 1024)} MiB`,
  )
  if (figures.peak > mostMemory) process.exitCode = 1
}
