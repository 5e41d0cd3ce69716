import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { get, type RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startCutProxy, type CutProxy } from '../support/cut-proxy.ts'
import { writeLayout } from '../support/local-images.ts'
import { checkResult } from '../support/check-result.ts'
import { runCommand } from '../support/run-trow.ts'
import { Cluster } from './cluster.ts'
import { ForwardedRegistry } from './forwarded-registry.ts'
import { eventually } from '../support/program.ts'
import { clusterProblem } from './requirements.ts'

const program = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))
const namespace = 'forward-test'
const teams = ['forward-a', 'forward-b']

suite('the registry through the API server', { skip: clusterProblem() }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-forward-'))
  const children = new Set<ChildProcess>()
  let cluster: Cluster
  let registry: ForwardedRegistry
  let proxy: CutProxy
  let env: Readonly<Record<string, string>>

  const as = async (user: string): Promise<Readonly<Record<string, string>>> => {
    const server = `https://127.0.0.1:${proxy.port}`
    const kubeconfig = await cluster.clientKubeconfig({ user, groups: ['people'], server })
    return {
      KUBECONFIG: kubeconfig,
      TROW_NAMESPACE: namespace,
      HOME: folder,
      PATH: process.env['PATH'] ?? '',
    }
  }
  before(async () => {
    cluster = await Cluster.open()
    proxy = await startCutProxy((await cluster.relay()).port)
    registry = await ForwardedRegistry.start(cluster, namespace, teams)
    await registry.permit('ada', 'forward-a', ['get', 'list', 'create', 'update', 'delete'])
    env = await as('ada')
  })
  after(async () => {
    for (const child of children) child.kill('SIGKILL')
    await registry.close(teams)
    await proxy.close()
    await cluster.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('an image is pushed, listed, inspected and removed; what is there already does not travel', async () => {
    const image = await writeLayout(join(folder, 'small'), [300_000, 5_000_000])
    const pushed = await runCommand(['push', image.folder, 'forward-a/app:1'], { env })
    assert.equal(pushed.code, 0, pushed.stderr)
    assert.equal(pushed.stdout, `trow.${namespace}.svc/forward-a/app:1\n`)
    assert.match(pushed.stderr, /3 of 3 blobs sent/)
    const before = proxy.sent
    const again = await runCommand(['push', image.folder, 'forward-a/app:2'], { env })
    assert.match(again.stderr, /0 of 3 blobs sent, 0 B/)
    assert.ok(proxy.sent - before < 100_000, `${proxy.sent - before} bytes were sent again`)
    const mounted = await runCommand(['push', image.folder, 'forward-a/other:1'], { env })
    assert.match(mounted.stderr, /is in another repository/)
    const listed = await runCommand(['list', 'forward-a/app', '-o', 'json'], { env })
    assert.deepEqual(
      checkResult('TagList', listed.stdout).items.map(({ tag, digest }) => [tag, digest]),
      [
        ['1', image.digest],
        ['2', image.digest],
      ],
    )
    const shown = await runCommand(['inspect', 'forward-a/app:1'], { env })
    assert.match(shown.stdout, new RegExp(image.digest))
    assert.equal((await runCommand(['rm', '-y', 'forward-a/app:2'], { env })).code, 0)
  })

  test('who may not push is told the binding to ask for, and with it may', async () => {
    const image = await writeLayout(join(folder, 'refused'), [1000])
    const refused = await runCommand(['push', image.folder, 'forward-b/app:1'], { env })
    assert.equal(refused.code, 77)
    const line = /kubectl -n forward-b create rolebinding \S+ --clusterrole=trow-pusher --user=ada$/m.exec(
      refused.stderr,
    )
    assert.ok(line, refused.stderr)
    await registry.permit('ada', 'forward-b', ['get', 'create', 'update'])
    await eventually(async () => {
      const pushed = await runCommand(['push', image.folder, 'forward-b/app:1'], { env })
      assert.equal(pushed.code, 0, pushed.stderr)
    })
  })

  test('who may not reach it is told so, and where there is none', async () => {
    const image = await writeLayout(join(folder, 'nobody'), [1000])
    const nobody = await runCommand(['push', image.folder, 'x:1'], { env: await as('nobody') })
    assert.equal(nobody.code, 77, nobody.stderr)
    assert.match(nobody.stderr, /CLUSTER_NOT_PERMITTED/)
    await registry.permitReading('reader')
    const reader = await runCommand(['push', image.folder, 'x:1'], { env: await as('reader') })
    assert.equal(reader.code, 77)
    assert.match(reader.stderr, /create rolebinding trow-client-reader --role=trow-client --user=reader/)
    const none = await runCommand(['push', '-n', 'forward-a', image.folder, 'x:1'], {
      env: { ...env, KUBECONFIG: cluster.kubeconfig() },
    })
    assert.match(none.stderr, /CLUSTER_UNREACHABLE/)
    const admin = await cluster.clientKubeconfig({
      user: 'root',
      groups: ['system:masters'],
      server: `https://127.0.0.1:${proxy.port}`,
    })
    const absent = await runCommand(['push', '-n', 'forward-a', image.folder, 'x:1'], {
      env: { ...env, KUBECONFIG: admin },
    })
    assert.match(absent.stderr, /REGISTRY_NOT_INSTALLED/)
  })

  test('a pull comes the same way, and says which registry it took', async () => {
    const image = await writeLayout(join(folder, 'pulled'), [100_000])
    await runCommand(['push', image.folder, 'forward-a/pulled:1'], { env })
    const name = `trow.${namespace}.svc/forward-a/pulled:1`
    // The API server also reaches the registry by the name that nodes use, without a namespace in the environment.
    const { TROW_NAMESPACE: _, ...nameless } = env
    for (const [given, use] of [
      ['forward-a/pulled:1', env],
      [name, nameless],
    ] as const) {
      const pulled = await runCommand(['pull', given, join(folder, 'back')], { env: use })
      assert.equal(pulled.code, 0, pulled.stderr)
      assert.equal(pulled.stdout, `${name}@${image.digest}\n`)
      assert.match(
        pulled.stderr,
        new RegExp(`^registry: trow\\.${namespace}\\.svc \\(in the cluster of context "`),
      )
    }
  })

  test('a login is proved before it is kept', async () => {
    const host = `trow.${namespace}.svc`
    const kept = {
      ...env,
      DOCKER_CONFIG: join(folder, 'docker'),
      XDG_CONFIG_HOME: join(folder, 'config'),
      // Its certificates belong into the home folder then.
      DOCKER_HOST: 'unix:///run/user/1000/docker.sock',
    }
    const proved = await runCommand(['login', host, '--docker'], { env: kept })
    assert.equal(proved.code, 0, proved.stderr)
    assert.match(proved.stdout, /shown the client certificate of "ada"/)
    const wrong = ['login', '-u', 'ada', '--password-stdin', host, '--docker']
    const refused = await runCommand(wrong, { env: kept, input: 'guess' })
    assert.equal(refused.code, 77, refused.stderr)
    assert.match(refused.stderr, /\(REGISTRY_DENIED\)\n {2}Check the name "ada" and its password\.\n$/)
  })

  test('a push that is cut goes on where it was', async () => {
    const size = 200 * 1024 * 1024
    const image = await writeLayout(join(folder, 'cut'), [size])
    const before = proxy.sent
    const cutting = setInterval(() => {
      if (proxy.sent - before < size / 3) return
      clearInterval(cutting)
      proxy.cut()
    }, 5)
    const pushed = await runCommand(['push', image.folder, 'forward-a/cut:1'], { env })
    clearInterval(cutting)
    assert.equal(pushed.code, 0, pushed.stderr)
    assert.match(pushed.stderr, /cut \(.*; going on/)
    // Only bytes that were under way at the cut are sent again.
    assert.ok(proxy.sent - before < size * 1.3, `${proxy.sent - before} bytes were sent`)
  })

  test('a local address leads to whatever pod is ready, and Ctrl-C ends it', async () => {
    const child = spawn(process.execPath, [program, 'connect', '--port', '0'], { env, stdio: 'pipe' })
    children.add(child)
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
    const port = await eventually(async () => {
      const found = /127\.0\.0\.1:(\d+) until/.exec(stdout)?.[1]
      assert.ok(found, stderr)
      return Number(found)
    })
    assert.match(stdout, new RegExp(`trow\\.${namespace}\\.svc/app:1`))
    const ask = (): Promise<number> =>
      statusOf({ port, ca: readFileSync(registry.caFile), servername: `trow.${namespace}.svc` })
    assert.equal(await ask(), 401)
    await registry.removePod('trow-0')
    const waiting = ask()
    assert.equal(await registry.startPod(), 'trow-1')
    assert.equal(await waiting.catch(ask), 401)
    proxy.cut()
    assert.equal(await ask(), 401)
    child.kill('SIGINT')
    assert.deepEqual(await once(child, 'exit'), [130, null])
  })
})

async function statusOf(options: RequestOptions): Promise<number> {
  const request = get({ host: '127.0.0.1', path: '/v2/', agent: false, ...options })
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage]
  await text(response)
  return response.statusCode ?? 0
}
