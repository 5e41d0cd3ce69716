import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, before, beforeEach, suite, test } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { readDesiredState } from '../../src/agent/desired-state.ts'
import { readNodeReport } from '../../src/cluster/node-report.ts'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import type { NodeSettings } from '../../src/cluster/node-settings.ts'
import { onlyCertificates } from '../../src/pem-bundle.ts'
import { inspectMachine } from '../../src/trust/inspect-machine.ts'
import { trustMachine } from '../../src/trust/trust-machine.ts'
import { untrustMachine } from '../../src/trust/untrust-machine.ts'
import { AgentNode, desiredStateName, putDesiredState } from '../agent/agent-fixture.ts'
import { FakeObjects } from '../agent/fake-objects.ts'
import { reportObject } from '../support/node-objects.ts'
import { makeCa } from '../trust/authorities.ts'
import { MachineTree } from '../trust/machine-tree.ts'

const cronLine = '* * * * * root touch /tmp/owned\n'
const planted = '/etc/cron.d/x/hosts.toml'

/** Desired states by which an attacker who can write the ConfigMap would make every node act as root. */
const hostile: Readonly<Record<string, Partial<Record<keyof NodeSettings, unknown>>>> = {
  'the host of everybody': { hosts: ['trow.trow.svc', 'docker.io'] },
  'a host that is a path': { hosts: ['../../cron.d/x'] },
  'a host of two lines': { hosts: ['trow.trow.svc\nevil.test'] },
  'a host with quotes': { hosts: ['trow.trow.svc"]\nskip_verify = true\n#'] },
  'an address that is a line': { clusterIps: ['10.96.7.7"]\n  skip_verify = true\n#'] },
  'an address that is a name': { clusterIps: ['evil.test'] },
  'an image with a path': { canary: '../../../etc/x:1' },
  'an image of another registry': { canary: '@evil.test/x:1' },
  'a namespace that is a path': { registry: { namespace: '../../secrets', service: 'trow' } },
  'a port beyond the last': { loopbackPort: 65_536 },
  'a million hosts': { hosts: Array.from({ length: 20_000 }, () => 'trow.trow.svc') },
}

suite('orders of somebody who can write ConfigMaps', () => {
  let ca: string
  let objects: FakeObjects
  let node: AgentNode
  let port: number
  const setDesired = (changes: Record<string, unknown> = {}, bundle = ca): void =>
    putDesiredState(objects, bundle, { loopbackPort: port, ...changes } as Partial<NodeSettings>)
  before(async () => {
    ca = await makeCa()
    port = await freePort()
  })
  beforeEach(async () => {
    objects = new FakeObjects()
    node = await AgentNode.make(objects, { '/etc/cron.d/': '' })
  })
  afterEach(async () => node.close())

  test('that name another host, or are no hosts, addresses and images: refused, and nothing is written', async () => {
    setDesired()
    node.start()
    await node.reported(({ phase }) => phase === 'ready')
    const written = node.tree.all()
    for (const [what, changes] of Object.entries(hostile)) {
      setDesired(changes)
      const field = Object.keys(changes)[0] ?? ''
      const isTold = ({ code, message }: { code: string; message: string }): boolean =>
        code === 'SETTINGS_INVALID' && (message.includes(field.replace(/s$/, '')) || /too long/.test(message))
      const { problems } = await node.reported((report) => report.problems.some(isTold))
      assert.ok(problems.length > 0, what)
      assert.deepEqual(node.tree.all(), written, what)
      setDesired()
      await node.reported((report) => report.problems.length === 0)
    }
  })

  test('whose CA has free text around it: nothing but the certificates is written', async () => {
    setDesired({}, `${cronLine}${ca}${cronLine}`)
    node.start()
    await node.reported(({ phase }) => phase === 'ready')
    const file = node.tree.read('/etc/containerd/certs.d/trow.trow.svc/ca.crt')
    assert.ok(!file.includes(cronLine.trim()))
    assert.ok(file.endsWith(onlyCertificates(ca)))
    assert.equal(existsSync(join(node.tree.root, '/etc/cron.d/x')), false)
  })

  test('in the namespace in which agents write: nobody reads them', async () => {
    setDesired()
    node.start()
    await node.reported(({ phase }) => phase === 'ready')
    const written = node.tree.all()
    const map = objects.peek({ apiVersion: 'v1', kind: 'ConfigMap', ...desiredStateName })
    assert.ok(map)
    const data = map['data'] as Readonly<Record<string, string>>
    const undo = { ...data, 'settings.json': (data['settings.json'] ?? '').replace('"trust"', '"undo"') }
    objects.put({ ...map, metadata: { name: 'trow-node', namespace: 'trow-node' }, data: undo })
    objects.put({ ...map, metadata: { name: 'trow-orders', namespace: 'trow-node' }, data: undo })
    setDesired({ generation: 2 })
    await node.reported(({ generation }) => generation.effective === 2)
    assert.deepEqual(node.tree.all(), written)
  })

  test('hosts in a report that another node has written lead to no file', async () => {
    node.tree.write('/etc/cron.d/keep', 'keep')
    const own = '# managed-by: trow (edits are overwritten)\n'
    const tree = new MachineTree({ [planted]: own })
    try {
      const machine = { hostRoot: tree.root }
      const facts = { ...(await inspectMachine(machine)), folder: '/etc/containerd/certs.d' }
      const hosts = ['../../cron.d/x']
      assert.deepEqual(await untrustMachine(machine, facts, hosts), [])
      assert.equal(tree.read(planted), own)
      const trust = { hosts, ca, endpoints: ['10.96.7.7:443'], identity: undefined }
      const direct = { ...facts, class: 'direct', runtime: { name: 'containerd', version: '2.3.7' } } as const
      await assert.rejects(trustMachine(machine, direct, trust), { code: 'HOST_INVALID' })
      const bad = { ...trust, hosts: ['trow.trow.svc'], endpoints: ['10.96.7.7"]\n#:443'] }
      await assert.rejects(trustMachine(machine, direct, bad), { code: 'HOST_INVALID' })
    } finally {
      tree[Symbol.dispose]()
    }
    objects.put({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'node-n1', namespace: 'trow-node' },
      data: { 'hosts.json': JSON.stringify(['../../cron.d/x']) },
    })
    setDesired()
    node.start()
    await node.reported(({ phase }) => phase === 'ready')
    assert.deepEqual(node.report().hosts, ['trow.trow.svc', 'trow.trow.svc:443'])
  })

  test('the report of one node says nothing of another', () => {
    const spoofed = reportObject('n2', Date.now()) as KubeObject
    assert.equal(readNodeReport(spoofed)?.node, 'n2')
    const metadata = { ...spoofed.metadata, name: 'node-n1' }
    assert.equal(readNodeReport({ ...spoofed, metadata }), undefined)
  })

  test('ConfigMaps that hold something else than texts are told in words', () => {
    const read = (data: unknown): unknown =>
      readDesiredState({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data }, [
        'trow.trow.svc',
      ])
    const rows: readonly (readonly [data: unknown, words: string])[] = [
      [7, 'it is not an object'],
      [undefined, 'settings.json is missing'],
      [{ 'settings.json': { toString: 1 }, 'ca.crt': [] }, 'settings.json is missing'],
      [{ 'ca.crt': ca }, 'settings.json is missing'],
      [{ 'settings.json': 'x'.repeat(300_000), 'ca.crt': ca }, 'settings.json is too long'],
      [{ 'settings.json': '{', 'ca.crt': ca }, 'settings.json: it is no JSON'],
      [{ 'settings.json': '{"version":2}', 'ca.crt': ca }, 'settings.json: version is not 1'],
    ]
    for (const [data, words] of rows) assert.equal(read(data), words)
  })
})
