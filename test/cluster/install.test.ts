import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parse } from 'yaml'
import { openCluster } from '../../src/cli/cluster/cluster-options.ts'
import { pushCanary } from '../../src/cli/install/push-canary.ts'
import { readArchive } from './archive.ts'
import { Cluster } from './cluster.ts'
import { installerKubeconfig, runInCluster, type CommandResult } from './command-line.ts'
import { busyboxImage, writeImageArchive } from './image.ts'
import { clusterProblem } from './requirements.ts'
import { importTrowImage } from './trow-image.ts'
import { imageProblem } from '../support/trow-image.ts'

const kinds = [
  'namespace,serviceaccount,service,configmap,secret,statefulset,daemonset,poddisruptionbudget,networkpolicy',
  'role,rolebinding,clusterrole,clusterrolebinding,persistentvolume,persistentvolumeclaim,resourcequota',
].join()

/** From an empty cluster to a pod on every node; the figures are diagnostics of the tests. */
suite('trow install', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let cluster: Cluster
  let image = ''
  let kubeconfig = ''
  const folder = mkdtempSync(join(tmpdir(), 'trow-install-'))
  const data = `/var/tmp/trow-install-${process.pid}`
  const asked = (): string[] => ['--image', image, '--storage', `local:${data}`, '--timeout', '4m']

  before(async () => {
    cluster = await Cluster.open()
    image = await importTrowImage(cluster.nodes)
    kubeconfig = await installerKubeconfig(cluster)
    await trow('uninstall', '--purge', '-y')
  })
  after(async () => {
    await trow('uninstall', '--purge', '-y')
    await cluster.kubectl(['delete', 'pod', 'app-n1', 'app-n2', '--ignore-not-found', '--force'])
    rmSync(folder, { recursive: true })
    rmSync(data, { recursive: true, force: true })
    await cluster.close()
  })

  const trow = (...args: readonly string[]): Promise<CommandResult> =>
    runInCluster([...args, '--kubeconfig', kubeconfig], folder)

  async function versions(): Promise<Record<string, string>> {
    const selector = 'app.kubernetes.io/part-of=trow,!trow.io/report'
    const text = await cluster.kubectl(['get', kinds, '-A', '-l', selector, '-o', 'json'])
    const { items } = JSON.parse(text) as {
      items: { kind: string; metadata: { name: string; namespace?: string; resourceVersion: string } }[]
    }
    return Object.fromEntries(
      items.map(({ kind, metadata }) => [
        `${kind} ${metadata.namespace ?? ''}/${metadata.name}`,
        metadata.resourceVersion,
      ]),
    )
  }

  test('no StorageClass: said, and nothing is touched', async () => {
    const { code, stderr } = await trow('install', '-y', '--image', image)
    assert.equal(code, 79, stderr)
    assert.match(stderr, /no default[\s\S]*--storage local:\/PATH/)
    assert.deepEqual(await versions(), {})
  })

  test('every object is taken by the API server, which keeps nothing of a dry run', async () => {
    const { code, stdout, stderr } = await trow('install', '--dry-run=server', ...asked())
    assert.equal(code, 0, stderr)
    assert.match(stdout, /\+ StatefulSet trow\/trow/)
    assert.deepEqual(await versions(), {})
  })

  test('from the empty cluster until every node has pulled', async (context) => {
    const begin = performance.now()
    const { code, stdout, stderr } = await trow('install', '-y', ...asked())
    for (const line of stderr.split('\n').filter((each) => each.startsWith('√'))) context.diagnostic(line)
    context.diagnostic(`in all ${((performance.now() - begin) / 1000).toFixed(1)} s`)
    assert.equal(code, 0, stderr)
    assert.match(stdout, /2 nodes have pulled from it|nodes have pulled/)
  })

  test('an image is pushed, and a pod of it runs on every node, without any pull secret', async (context) => {
    const begin = performance.now()
    const archive = join(folder, 'app.tar')
    await writeImageArchive(archive, { ...busyboxImage(), name: 'app' })
    const terminal = { env: { HOME: folder }, cwd: folder, stdin: process.stdin }
    const opened = await openCluster({ kubeconfig }, terminal as never)
    const pushed = { ...(await readArchive(archive)), repository: 'default/app', tag: '1' }
    await pushCanary(pushed, { cluster: opened, signal: AbortSignal.timeout(60_000) })
    await opened.objects.close()
    for (const { name } of cluster.nodes) {
      const spec = {
        nodeName: name,
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'app', image: 'trow.trow.svc/default/app:1', imagePullPolicy: 'Always' }],
      }
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: `app-${name}` }, spec }
      await cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(pod) })
    }
    for (const { name } of cluster.nodes)
      await cluster.kubectl(['wait', '--for=condition=Ready', `pod/app-${name}`, '--timeout=90s'])
    context.diagnostic(`push, and pods running: ${((performance.now() - begin) / 1000).toFixed(1)} s`)
  })

  test('the second install changes no object', async (context) => {
    const before = await versions()
    const begin = performance.now()
    const { code, stderr } = await trow('install', '-y')
    context.diagnostic(`in all ${((performance.now() - begin) / 1000).toFixed(1)} s`)
    assert.equal(code, 0, stderr)
    assert.match(stderr, /nothing to change/)
    assert.deepEqual(await versions(), before)
    assert.ok(Object.keys(before).length > 25)
  })

  test('fields that others have taken are named, and taken back only when asked', async () => {
    const set = (value: string): string[] => [
      '-n',
      'trow',
      'patch',
      'service',
      'trow',
      '--type=json',
      '-p',
      value,
    ]
    const value = JSON.stringify([{ op: 'replace', path: '/spec/ipFamilyPolicy', value: 'SingleStack' }])
    await cluster.kubectl([...set(value), '--field-manager=somebody'])
    const { code, stderr } = await trow('install', '-y')
    assert.equal(code, 1, stderr)
    assert.match(stderr, /Service trow in trow: others own fields of it \(somebody: .*ipFamilyPolicy/)
    const taken = await trow('install', '-y', '--force-conflicts')
    assert.equal(taken.code, 0, taken.stderr)
  })

  test('the registry serves with the settings that were remembered', async () => {
    const map = await cluster.kubectl(['-n', 'trow', 'get', 'configmap', 'trow-config', '-o', 'json'])
    const text = (JSON.parse(map) as { data: Record<string, string> }).data['trow.yaml']
    const { 'tls-san': names } = parse(text ?? '') as { 'tls-san': string[] }
    const ip = await cluster.kubectl([
      '-n',
      'trow',
      'get',
      'service',
      'trow',
      '-o',
      'jsonpath={.spec.clusterIP}',
    ])
    assert.ok(names.includes(ip))
  })
})
