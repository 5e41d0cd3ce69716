import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { imageProblem } from '../support/trow-image.ts'
import { runInCluster, type CommandResult } from './command-line.ts'
import { busyboxImage } from './image.ts'
import { InstallFixture } from './install-fixture.ts'
import { eventually } from '../support/program.ts'
import { checkResult } from '../support/check-result.ts'
import { clusterProblem } from './requirements.ts'

interface Event {
  readonly id: string
  readonly type: string
  readonly data: {
    readonly reason: string
    readonly actor: { readonly user: string; readonly auth: string }
    readonly client: { readonly ip: string; readonly userAgent: string }
    readonly repository?: string
  }
}

const image = 'trow.trow.svc/default/app:1'
const program = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))

/** The audit as users of the cluster see it: who pulled what, from where, and why it was allowed or denied. */
suite('the audit through the API server', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture
  let ada = ''

  before(async () => {
    trow = await InstallFixture.open('audit')
    ada = await personKubeconfig('ada', 'people')
  })
  after(async () => {
    await trow.removePods(
      ...trow.cluster.nodes.flatMap(({ name }) => [`audit-ok-${name}`, `audit-denied-${name}`]),
    )
    await trow.kubectl('delete', 'clusterrolebinding', 'trow-auditor-ada', '--ignore-not-found')
    rmSync(`${trow.data}.yesterday`, { recursive: true, force: true })
    await trow.close()
  })

  const personKubeconfig = async (user: string, group: string): Promise<string> => {
    const server = `https://127.0.0.1:${(await trow.cluster.relay()).port}`
    return trow.cluster.clientKubeconfig({ user, groups: [group], server })
  }
  const asAda = (...args: readonly string[]): Promise<CommandResult> =>
    runInCluster([...args, '--kubeconfig', ada], trow.folder)
  const events = async (...args: readonly string[]): Promise<Event[]> => {
    const { code, stdout, stderr } = await trow.trow('audit', 'query', '-o', 'json', ...args)
    assert.equal(code, 0, stderr)
    return checkResult('AuditEventList', stdout).items as unknown as Event[]
  }

  async function scale(replicas: number): Promise<void> {
    await trow.kubectl('-n', 'trow', 'scale', 'statefulset', 'trow', `--replicas=${replicas}`)
    const condition = replicas === 0 ? '--for=delete' : '--for=condition=Ready'
    await eventually(
      () => trow.kubectl('-n', 'trow', 'wait', condition, 'pod/trow-0', '--timeout=10s'),
      120_000,
    )
  }

  test('pods on every node pull without any pull secret', async () => {
    const { code, stderr } = await trow.install()
    assert.equal(code, 0, stderr)
    await trow.push({ ...busyboxImage(), name: 'app' }, 'default/app:1')
    for (const { name } of trow.cluster.nodes) await trow.createPod(`audit-ok-${name}`, name, image)
    for (const { name } of trow.cluster.nodes) await trow.podRuns(`audit-ok-${name}`)
  })

  test('nodes that may not pull any more are refused, and the pod’s event says why', async (context) => {
    const config = join(trow.folder, 'trow.yaml')
    const rule = { who: ['nodes'], repositories: ['default/**'], actions: ['pull'], deny: true }
    writeFileSync(config, stringify({ access: [rule] }))
    const changed = await trow.trow('install', '-y', '--config', config)
    assert.equal(changed.code, 0, changed.stderr)
    for (const { name } of trow.cluster.nodes) {
      await trow.createPod(`audit-denied-${name}`, name, image)
      const uid = await trow.kubectl('get', 'pod', `audit-denied-${name}`, '-o', 'jsonpath={.metadata.uid}')
      await eventually(async () => {
        const selector = `involvedObject.uid=${uid},reason=Failed`
        const text = await trow.kubectl('get', 'events', '--field-selector', selector, '-o', 'json')
        const { items } = JSON.parse(text) as { items: { message: string }[] }
        const message = items.map((item) => item.message).find((each) => each.includes('pull image'))
        assert.ok(message, text)
        context.diagnostic(message)
        assert.match(message, new RegExp(`system:node:${name} has no right to pull default/app`))
      }, 60_000)
    }
  })

  test('a query says who, from where and why, for both', async (context) => {
    const nodes = trow.cluster.nodes.map(({ name }) => `system:node:${name}`)
    for (const [decision, why] of [
      ['allow', /^rule 1 allows nodes pull/],
      ['deny', /^rule \d denies nodes pull on default/],
    ] as const) {
      await eventually(async () => {
        const filters = ['--repository', 'default/app', '--action', 'pull', '--user', 'system:node:*']
        const found = await events(...filters, '--decision', decision)
        const users = new Set(found.map(({ data: { actor } }) => actor.user))
        assert.deepEqual([...users].sort(), nodes)
        for (const { data: each } of found) {
          assert.match(each.reason, why)
          assert.match(each.client.ip, /^[\da-f.:]+$/)
          assert.match(each.client.userAgent, /containerd/)
        }
      }, 60_000)
    }
    const wide = await trow.trow(
      'audit',
      'query',
      '--repository',
      'default/app',
      '--action',
      'pull',
      '-o',
      'wide',
    )
    for (const line of wide.stdout.trimEnd().split('\n')) context.diagnostic(line)
  })

  test('who may not read it gets 77 and the bindings to ask for, one after the other', async (context) => {
    const outside = await asAda('audit', 'query')
    assert.equal(outside.code, 77, outside.stderr)
    await trow.kubectl('-n', 'trow', 'create', 'rolebinding', 'ada', '--role=trow-client', '--user=ada')
    await eventually(async () => {
      const refused = await asAda('audit', 'query')
      assert.equal(refused.code, 77, refused.stderr)
      assert.match(refused.stderr, /ada has no right to read the audit/)
      const asked = /kubectl (create clusterrolebinding trow-auditor-ada .*)$/m.exec(refused.stderr)?.[1]
      assert.equal(asked, 'create clusterrolebinding trow-auditor-ada --clusterrole=trow-auditor --user=ada')
      for (const line of refused.stderr.trimEnd().split('\n')) context.diagnostic(line)
    }, 30_000)
    const asked = 'create clusterrolebinding trow-auditor-ada --clusterrole=trow-auditor --user=ada'
    await trow.kubectl(...asked.split(' '))
    await eventually(async () => {
      const { code, stderr } = await asAda('audit', 'query')
      assert.equal(code, 0, stderr)
    }, 30_000)
    const verified = await asAda('audit', 'verify')
    assert.equal(verified.code, 0, verified.stdout + verified.stderr)
    assert.equal(verified.stderr, 'registry: trow.trow.svc (in the cluster of context "cluster")\n')
    assert.ok((await events('--user', 'ada', '--decision', 'deny')).length > 0)
    const none = await runInCluster(
      ['audit', 'query', '--kubeconfig', trow.kubeconfig, '-n', 'default'],
      trow.folder,
    )
    const list = await runInCluster(['list', '--kubeconfig', trow.kubeconfig, '-n', 'default'], trow.folder)
    assert.equal(none.stderr, list.stderr)
    assert.match(none.stderr, /REGISTRY_NOT_INSTALLED/)
  })

  test('follow goes on when the registry restarts, and ends cleanly', async (context) => {
    const child = spawn(
      process.execPath,
      [program, 'audit', 'follow', '--kubeconfig', ada, '-o', 'jsonl', '--repository', 'default/poke-*'],
      { env: { PATH: process.env['PATH'], HOME: trow.folder }, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const ids = (): string[] =>
      stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as Event).id)
    // The first of equal accesses in a minute is written at once, the others at its end.
    let pokes = 0
    const poke = (): Promise<CommandResult> => trow.trow('list', `default/poke-${pokes++}`)
    try {
      await eventually(async () => {
        await poke()
        assert.ok(ids().length > 0, stderr)
      }, 60_000)
      const begin = performance.now()
      await trow.kubectl('-n', 'trow', 'rollout', 'restart', 'statefulset/trow')
      await trow.kubectl('-n', 'trow', 'rollout', 'status', 'statefulset/trow', '--timeout=120s')
      context.diagnostic(`restarted in ${((performance.now() - begin) / 1000).toFixed(1)} s with a follower`)
      const before = ids().length
      await eventually(async () => {
        await poke()
        assert.ok(ids().length > before, stderr)
        assert.match(stderr, /asking again[\s\S]*nothing was left out/)
      }, 90_000)
      for (const line of stderr.trimEnd().split('\n')) context.diagnostic(line)
      assert.equal(new Set(ids()).size, ids().length, 'a line came twice')
    } finally {
      child.kill('SIGINT')
    }
    assert.equal(await exited, 130)
  })

  test('a volume that is put back to an earlier state, heads and all, is found out', async (context) => {
    const map = ['-n', 'trow', 'get', 'configmap', 'trow-audit', '-o', 'jsonpath={.data.changes}']
    await scale(0)
    assert.match(await trow.kubectl(...map), /^trow\/audit\/changes\/head\n\d+\n/)
    execFileSync('cp', ['-a', trow.data, `${trow.data}.yesterday`])
    await scale(1)
    await eventually(
      async () => assert.equal((await trow.trow('audit', 'query', '--limit', '1')).code, 0),
      60_000,
    )
    const nobody = await personKubeconfig('mallory', 'system:masters')
    const removed = await runInCluster(['rm', '-y', 'default/app:1', '--kubeconfig', nobody], trow.folder)
    assert.equal(removed.code, 0, removed.stderr)
    await scale(0)
    const kept = await trow.kubectl(...map)
    execFileSync('sh', ['-c', `rm -rf ${trow.data}/* && cp -a ${trow.data}.yesterday/. ${trow.data}/`])
    await scale(1)
    await eventually(async () => {
      const { code, stdout, stderr } = await trow.trow('audit', 'verify')
      assert.equal(code, 79, stdout + stderr)
      assert.match(stdout, /^removed: changes lines? \d+/m)
      for (const line of [`head: ${kept.split('\n')[1]}`, ...stdout.trimEnd().split('\n')])
        context.diagnostic(line)
    }, 60_000)
    const [gap] = (await events('--limit', '100000'))
      .filter(({ type }) => type === 'io.trow.audit.gap.v1')
      .slice(-1)
    assert.match(JSON.stringify(gap), /ended before the line of the head that is kept elsewhere/)
  })
})
