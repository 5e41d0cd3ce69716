import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test, type TestContext } from 'node:test'
import { openCri } from '../../src/agent/cri.ts'
import { imageProblem } from '../support/trow-image.ts'
import { runInCluster, type CommandResult } from './command-line.ts'
import { longestGap } from './endpoint-gap.ts'
import { InstallFixture } from './install-fixture.ts'
import { newerTrow, type NewerTrow } from './newer-trow.ts'
import { clusterProblem } from './requirements.ts'

const big = 'trow.trow.svc/default/big:1'

/** An upgrade to another version of trow, and the refused way back. */
suite('an upgrade', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture
  let newer: NewerTrow

  before(async () => {
    trow = await InstallFixture.start('upgrade')
    newer = await newerTrow(join(trow.folder, 'newer'), trow.cluster.nodes)
    const content = randomBytes(16 << 20)
    await trow.push({ name: 'big', files: [{ path: 'content', content }], config: {} }, 'default/big:1')
  })
  after(async () => {
    for (const node of trow.cluster.nodes) await node.ctr('images', 'rm', newer.image)
    await trow.close()
  })

  const byNewer = (...args: readonly string[]): Promise<CommandResult> =>
    runInCluster([...args, '--kubeconfig', trow.kubeconfig], trow.folder, newer.program)
  const show = (context: TestContext, printed: string): void => context.diagnostic(`\n${printed}`)

  /** Returns the digests of the registry's blob files, which are the two layers, by path. */
  function blobs(): Record<string, string> {
    const files = globSync('blobs/**/*', { cwd: trow.data, withFileTypes: true })
    return Object.fromEntries(
      files
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => join(parentPath, name))
        .map((path) => [path, createHash('sha256').update(readFileSync(path)).digest('hex')]),
    )
  }

  /** Pulls the reference on a node that has nothing of it. */
  async function pulledDigests(reference: string): Promise<(string | undefined)[]> {
    return Promise.all(
      trow.cluster.nodes.map(async (node) => {
        const cri = await openCri(node.outside('/run/containerd/containerd.sock'))
        await cri.pullImage(reference, 60_000)
        const listed = await node.ctr('images', 'ls', `name==${reference}`)
        await cri.removeImage(reference)
        cri.close()
        return /sha256:[0-9a-f]{64}/.exec(listed)?.[0]
      }),
    )
  }

  test('what it will change is said before, and nothing is touched', async (context) => {
    const there = await trow.versions()
    const { code, stdout, stderr } = await byNewer('install', '--dry-run=server', '--image', newer.image)
    show(context, stdout)
    assert.equal(code, 0, stderr)
    assert.match(stdout, new RegExp(`trow \\S+ is replaced by ${newer.version} in context`))
    assert.match(stdout, /~ StatefulSet trow\/trow/)
    assert.match(stdout, /~ DaemonSet trow-node\/trow-node/)
    assert.deepEqual(await trow.versions(), there)
  })

  test('under pulls on every node: none fails, and no byte is lost', async (context) => {
    const kept = blobs()
    assert.equal(Object.keys(kept).length, 2)
    const digests = await pulledDigests(big)
    assert.match(digests[0] ?? '', /^sha256:/)
    const begin = performance.now()
    let gap = 0
    const pulls = await trow.pullWhile(trow.cluster.nodes, async () => {
      const watched = new AbortController()
      const longest = longestGap({ kubeconfig: trow.kubeconfig, home: trow.folder }, watched.signal)
      const { code, stderr } = await byNewer('install', '-y', '--image', newer.image, '--timeout', '4m')
      show(context, stderr)
      assert.equal(code, 0, stderr)
      const status = await byNewer('status', '--wait', '--timeout', '60s')
      show(context, status.stdout)
      assert.equal(status.code, 0, status.stdout)
      assert.match(status.stdout, new RegExp(`^trow ${newer.version} in namespace trow`))
      watched.abort()
      gap = await longest
    })
    const seconds = (milliseconds: number): string => (milliseconds / 1000).toFixed(1)
    context.diagnostic(
      `${pulls.count} pulls in ${seconds(performance.now() - begin)} s, ${pulls.failures.length} failed, ` +
        `the slowest took ${seconds(pulls.longest)} s; nobody served for ${seconds(gap)} s`,
    )
    assert.ok(gap > 0, 'the registry was not replaced')
    assert.ok(pulls.count > 5)
    assert.deepEqual(pulls.failures, [])

    const now = blobs()
    assert.deepEqual(Object.fromEntries(Object.keys(kept).map((path) => [path, now[path]])), kept)
    assert.deepEqual(await pulledDigests(big), digests)
  })

  test('the trow of before is refused, and nothing is touched', async (context) => {
    const there = await trow.versions()
    for (const more of [[], ['--reset']]) {
      const { code, stderr } = await trow.install(...more)
      show(context, stderr)
      assert.equal(code, 79, stderr)
      assert.match(stderr, /PREFLIGHT_FAILED/)
      assert.match(stderr, new RegExp(`the database has schema ${newer.schema}, .* it could not open it`))
      assert.match(stderr, new RegExp(`Use trow ${newer.version} or later`))
      assert.deepEqual(await trow.versions(), there)
    }
    await trow.pull(trow.cluster.nodes[0]!)
  })

  test('and so it is when the newer one is gone, and has left its data', async (context) => {
    const gone = await byNewer('uninstall', '-y', '--timeout', '2m')
    assert.equal(gone.code, 0, gone.stderr)
    const { code, stderr } = await trow.install()
    show(context, stderr)
    assert.equal(code, 79, stderr)
    assert.match(stderr, new RegExp(`the database has schema ${newer.schema}, .* it could not open it`))
    assert.match(stderr, new RegExp(`Use trow ${newer.version} or later`))
    assert.ok(Object.keys(blobs()).length >= 2)
  })
})
