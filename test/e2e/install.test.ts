import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { parse } from 'yaml'
import { imageProblem } from '../support/trow-image.ts'
import { busyboxImage } from './image.ts'
import { InstallFixture } from './install-fixture.ts'
import { clusterProblem } from './requirements.ts'

/** From an empty cluster to a pod on every node. The tests print the figures as diagnostics. */
suite('trow install', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture

  before(async () => {
    trow = await InstallFixture.open('install', { admission: true })
  })
  after(async () => {
    await trow.removePods(...trow.cluster.nodes.map(({ name }) => `app-${name}`))
    await trow.close()
  })

  test('no StorageClass: said, and nothing is touched', async () => {
    const { code, stderr } = await trow.trow('install', '-y', '--image', trow.image)
    assert.equal(code, 79, stderr)
    assert.match(stderr, /no default[\s\S]*--storage local:\/PATH/)
    assert.deepEqual(await trow.versions(), {})
  })

  test('every object is taken by the API server, which keeps nothing of a dry run', async () => {
    const { code, stdout, stderr } = await trow.trow('install', '--dry-run=server', ...trow.installOptions())
    assert.equal(code, 0, stderr)
    assert.match(stdout, /\+ StatefulSet trow\/trow/)
    assert.deepEqual(await trow.versions(), {})
  })

  test('from the empty cluster until every node has pulled', async (context) => {
    const begin = performance.now()
    const { code, stdout, stderr } = await trow.install()
    for (const line of stderr.split('\n').filter((each) => each.startsWith('√'))) context.diagnostic(line)
    context.diagnostic(`in all ${((performance.now() - begin) / 1000).toFixed(1)} s`)
    assert.equal(code, 0, stderr)
    assert.match(stdout, new RegExp(`${trow.cluster.nodes.length} nodes have pulled`))
  })

  test('an image is pushed, and a pod of it runs on every node, without any pull secret', async (context) => {
    const begin = performance.now()
    await trow.push({ ...busyboxImage(), name: 'app' }, 'default/app:1')
    for (const { name } of trow.cluster.nodes)
      await trow.createPod(`app-${name}`, name, 'trow.trow.svc/default/app:1')
    for (const { name } of trow.cluster.nodes) await trow.podRuns(`app-${name}`)
    context.diagnostic(`push, and pods running: ${((performance.now() - begin) / 1000).toFixed(1)} s`)
  })

  test('the second install changes no object', async (context) => {
    const before = await trow.versions()
    const begin = performance.now()
    const { code, stderr } = await trow.trow('install', '-y')
    context.diagnostic(`in all ${((performance.now() - begin) / 1000).toFixed(1)} s`)
    assert.equal(code, 0, stderr)
    assert.match(stderr, /nothing to change/)
    assert.deepEqual(await trow.versions(), before)
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
    await trow.kubectl(...set(value), '--field-manager=somebody')
    const { code, stderr } = await trow.trow('install', '-y')
    assert.equal(code, 1, stderr)
    assert.match(stderr, /Service trow in trow: others own fields of it \(somebody: .*ipFamilyPolicy/)
    const taken = await trow.trow('install', '-y', '--force-conflicts')
    assert.equal(taken.code, 0, taken.stderr)
  })

  test('the registry serves with the settings that were remembered', async () => {
    const map = await trow.kubectl('-n', 'trow', 'get', 'configmap', 'trow-config', '-o', 'json')
    const text = (JSON.parse(map) as { data: Record<string, string> }).data['trow.yaml']
    const { 'tls-san': names } = parse(text ?? '') as { 'tls-san': string[] }
    const ip = await trow.kubectl('-n', 'trow', 'get', 'service', 'trow', '-o', 'jsonpath={.spec.clusterIP}')
    assert.ok(names.includes(ip))
  })
})
