import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, before, beforeEach, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  issueLeaf,
  issueNodeCertificate,
  makeAuthority,
} from '../../src/certificates/certificate-authority.ts'
import { freePort } from '../support/free-port.ts'
import { urisOf } from '../../src/cluster/node-origin.ts'
import { originOfToken } from '../../src/cluster/token-origin.ts'
import { inspectMachine } from '../../src/trust/inspect-machine.ts'
import { trustMachine } from '../../src/trust/trust-machine.ts'
import { untrustMachine } from '../../src/trust/untrust-machine.ts'
import { eventually } from '../support/program.ts'
import { provideTokens } from '../../src/trust/kubelet/provide-tokens.ts'
import { withdrawTokens } from '../../src/trust/kubelet/withdraw-tokens.ts'
import { makeCa } from '../trust/authorities.ts'
import { AgentNode, hostsFile, desiredStateName, putDesiredState } from './agent-fixture.ts'
import { FakeObjects } from './fake-objects.ts'

suite('agent', () => {
  let ca: string
  let objects: FakeObjects
  let port: number
  const nodes: AgentNode[] = []
  const make = async (...parts: Parameters<typeof AgentNode.make>): Promise<AgentNode> => {
    const node = await AgentNode.make(...parts)
    nodes.push(node)
    return node
  }
  const setDesired = (changes: Parameters<typeof putDesiredState>[2] = {}): void =>
    putDesiredState(objects, ca, { loopbackPort: port, ...changes })
  before(async () => {
    ca = await makeCa()
  })
  beforeEach(async () => {
    objects = new FakeObjects()
    port = await freePort()
  })
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.close()
  })

  test('writes, proves and reports, and then writes no more than the heartbeat', async () => {
    setDesired({ nodePort: 30443 })
    const node = await make(objects)
    const untouched = node.tree.all()
    node.start()
    const report = await node.reported(({ phase }) => phase === 'ready')
    assert.deepEqual(report.generation, { written: 1, effective: 1 })
    assert.deepEqual(report.runtime, { name: 'containerd', version: 'v2.3.7' })
    assert.deepEqual(node.runtime.pulls, ['trow.trow.svc/trow/canary:1'])
    const order = [...node.tree.read(hostsFile).matchAll(/\[host\."https:\/\/([^"]+)"\]/g)].map(
      ([, each]) => each,
    )
    assert.deepEqual(order, [`127.0.0.1:${port}`, '10.96.7.7:443', '192.0.2.11:30443'])
    const owner = objects.writes.at(-1)?.metadata['ownerReferences']
    assert.deepEqual(owner, [{ apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'uid-n1' }])
    const writes = objects.writes.length
    await sleep(300)
    assert.equal(objects.writes.length, writes)

    setDesired({ mode: 'undo' })
    await node.reported(({ phase }) => phase === 'undone')
    assert.deepEqual(node.tree.all(), untouched)
    assert.deepEqual(node.runtime.removals, ['trow.trow.svc/trow/canary:1'])
  })

  test('a pod of the registry that takes the place of another is pulled from, though no pull is due for long', async () => {
    setDesired()
    const slice = (uid: string, serving: boolean): void =>
      objects.put({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: 'trow-1', namespace: 'trow', labels: { 'kubernetes.io/service-name': 'trow' } },
        ports: [{ name: 'https', port: 8443 }],
        endpoints: [
          { addresses: ['192.0.2.9'], conditions: { serving, ready: serving }, targetRef: { uid } },
        ],
      })
    slice('one', true)
    const node = await make(objects)
    node.start({ pace: { interval: 3_600_000, spread: 100 } })
    await node.reported(({ phase, canary }) => phase === 'ready' && canary?.registry?.[0] === 'one')
    node.runtime.fault = 'not found'
    // Another pod at the same address: only its uid differs.
    slice('one', false)
    slice('two', true)
    const lost = await node.reported(({ phase }) => phase === 'problem')
    assert.deepEqual([lost.canary?.ok, lost.canary?.registry], [false, ['two']])
    node.runtime.fault = undefined
    slice('two', true)
    await node.reported(({ phase }) => phase === 'ready')
    // A pod that appears during a pull for another one is tested by the next pull.
    node.runtime.whilePulling = async () => {
      node.runtime.whilePulling = async () => {}
      slice('four', true)
      await sleep(200)
    }
    slice('three', true)
    await node.reported(({ phase, canary }) => phase === 'ready' && canary?.registry?.[0] === 'four')
  })

  test('an agent that was killed between ca.crt and hosts.toml is finished by the next', async () => {
    setDesired()
    const node = await make(objects)
    node.start()
    await node.reported(({ phase }) => phase === 'ready')
    const complete = node.tree.all()
    await node.stop()
    rmSync(join(node.tree.root, hostsFile))
    node.start()
    await eventually(async () => assert.deepEqual(node.tree.all(), complete))
  })

  test('another ClusterIP is written, and another host takes the place of the first', async () => {
    setDesired()
    const node = await make(objects)
    node.start()
    await node.reported(({ phase }) => phase === 'ready')
    setDesired({ clusterIps: ['10.96.9.9'] })
    await eventually(async () => assert.match(node.tree.read(hostsFile), /10\.96\.9\.9:443/))
    assert.doesNotMatch(node.tree.read(hostsFile), /10\.96\.7\.7/)
    setDesired({ hosts: ['registry.example.com'] })
    await eventually(async () =>
      assert.deepEqual(node.runtime.pulls.at(-1), 'registry.example.com/trow/canary:1'),
    )
    assert.equal(existsSync(join(node.tree.root, hostsFile)), false)
  })

  test('pulls as service accounts when the kubelet hands their tokens over, and not before', async () => {
    const [config, folder] = ['/etc/providers.yaml', '/etc/providers']
    const kubelet = (pid: number, start: number): Record<string, string> => ({
      [`/proc/${pid}/cmdline`]: `kubelet\0--image-credential-provider-config=${config}\0--image-credential-provider-bin-dir=${folder}\0`,
      [`/proc/${pid}/stat`]: `${pid} (kubelet) S ${'1 '.repeat(18)}${start} 0\n`,
    })
    const providers =
      'apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n- name: cloud\n'
    const authority = await makeAuthority(['trow.trow.svc'], [], crypto as Crypto)
    const leaf = { names: ['localhost'], life: 86_400_000 }
    const { cert, key } = await issueLeaf(authority, leaf, crypto as Crypto)
    setDesired({ pullIdentity: 'service-account' })
    const node = await make(objects, {
      '/proc/sys/kernel/random/boot_id': 'one\n',
      [config]: providers,
      [`${folder}/cloud`]: '',
      ...kubelet(100, 10),
      '/var/lib/kubelet/pki/kubelet-client-current.pem': cert + key,
    })
    node.start({ pace: { look: 100 } })
    const first = await node.reported(({ phase }) => phase === 'ready')
    assert.equal(first.identity.kind, 'kubelet')
    assert.deepEqual(
      first.problems.map(({ code }) => code),
      ['PULL_IDENTITY_RESTART'],
    )
    assert.match(node.tree.read(hostsFile), /client = /)
    assert.deepEqual(node.runtime.passwords.at(-1), undefined)

    rmSync(join(node.tree.root, 'proc/100'), { recursive: true })
    for (const [path, text] of Object.entries(kubelet(101, 20))) {
      mkdirSync(join(node.tree.root, path, '..'), { recursive: true })
      node.tree.write(path, text)
    }
    const second = await node.reported(
      ({ identity, problems }) => identity.kind === 'service-account' && problems.length === 0,
    )
    assert.equal(second.identity.file, undefined)
    await eventually(async () => assert.equal(node.runtime.passwords.at(-1), 'a.token.of-the-agent'))
    assert.doesNotMatch(node.tree.read(hostsFile), /client/)

    // A kubelet that does not run for a moment does not bring the certificate back.
    rmSync(join(node.tree.root, 'proc/101'), { recursive: true })
    setDesired({ pullIdentity: 'service-account', clusterIps: ['10.96.9.9'] })
    await eventually(async () => assert.match(node.tree.read(hostsFile), /10\.96\.9\.9/))
    assert.doesNotMatch(node.tree.read(hostsFile), /client/)

    setDesired({ pullIdentity: 'node' })
    await node.reported(({ identity }) => identity.kind === 'kubelet')
    await eventually(async () => assert.equal(node.tree.read(config), providers))
    assert.match(node.tree.read(hostsFile), /client = /)
  })

  test('a host that was given up while no agent ran goes too, and files of another installation stay', async () => {
    setDesired()
    const node = await make(objects)
    node.start()
    await node.reported(({ phase }) => phase === 'ready')
    await node.stop()
    const other = '/etc/containerd/certs.d/other.test/hosts.toml'
    mkdirSync(join(node.tree.root, other, '..'))
    node.tree.write(other, node.tree.read(hostsFile))
    setDesired({ hosts: ['registry.example.com'], generation: 2 })
    node.start()
    await node.reported(({ generation }) => generation.effective === 2)
    assert.equal(existsSync(join(node.tree.root, hostsFile)), false)
    setDesired({ hosts: ['registry.example.com'], mode: 'undo' })
    await node.reported(({ phase }) => phase === 'undone')
    assert.equal(existsSync(join(node.tree.root, other)), true)
  })

  test('hosts of an agent that was killed before it could report them are taken back by the next', async () => {
    setDesired({ hosts: ['a.example.com'] })
    const node = await make(objects)
    const untouched = node.tree.all()
    let isCut = false
    // A kill between the files and the report: the API server receives nothing more from this agent.
    node.start({
      machine: {
        inspect: inspectMachine,
        async trust(...parts) {
          const changes = await trustMachine(...parts)
          objects.away = isCut = true
          return changes
        },
        untrust: untrustMachine,
        provide: provideTokens,
        withdraw: withdrawTokens,
      },
    })
    const path = '/etc/containerd/certs.d/a.example.com/hosts.toml'
    await eventually(async () => assert.ok(existsSync(join(node.tree.root, path))))
    await eventually(async () => assert.ok(isCut))
    await node.stop()
    objects.away = false
    setDesired({ hosts: ['b.example.com'], generation: 2 })
    node.start()
    await node.reported(({ generation }) => generation.effective === 2)
    assert.equal(existsSync(join(node.tree.root, path)), false)
    setDesired({ hosts: ['b.example.com'], mode: 'undo' })
    await node.reported(({ phase }) => phase === 'undone')
    assert.deepEqual(node.tree.all(), untouched)
  })

  test('a hosts.toml of somebody else stays, and is named', async () => {
    setDesired()
    const node = await make(objects, { [hostsFile]: 'server = "https://elsewhere.test"\n' })
    node.runtime.fault = 'dial tcp: lookup elsewhere.test: no such host'
    node.start()
    const { problems, generation } = await node.reported(({ phase }) => phase === 'problem')
    const codes = problems.map(({ code }) => code)
    assert.ok(codes.includes('FILE_FOREIGN'), codes.join())
    assert.ok(problems.some(({ message }) => message.includes(hostsFile)))
    assert.deepEqual(generation, {})
    assert.equal(node.tree.read(hostsFile), 'server = "https://elsewhere.test"\n')
  })

  test('settings that are malformed or gone change nothing', async () => {
    setDesired()
    const node = await make(objects)
    node.start()
    await node.reported(({ phase }) => phase === 'ready')
    const written = node.tree.all()
    for (const [data, word] of [
      [{ 'settings.json': '{', 'ca.crt': ca }, 'is no JSON'],
      [{ 'settings.json': '{}', 'ca.crt': ca }, 'version'],
      [{ 'ca.crt': ca }, 'settings.json'],
    ] as const) {
      objects.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata: desiredStateName, data })
      const { problems } = await node.reported(
        (report) => report.problems.length === 1 && report.problems[0]?.message.includes(word) === true,
      )
      assert.equal(problems[0]?.code, 'SETTINGS_INVALID')
    }
    objects.remove({ apiVersion: 'v1', kind: 'ConfigMap', ...desiredStateName })
    await node.reported(({ problems }) => problems[0]?.code === 'SETTINGS_MISSING')
    assert.deepEqual(node.tree.all(), written)
    setDesired()
    await node.reported(({ phase, problems }) => phase === 'ready' && problems.length === 0)
  })

  test('while the API server is away everything stays, and afterwards the report is true again', async () => {
    setDesired()
    const node = await make(objects)
    node.start({ pace: { look: 100, interval: 200 } })
    await node.reported(({ phase }) => phase === 'ready')
    objects.away = true
    const { time } = node.report()
    rmSync(join(node.tree.root, hostsFile))
    node.runtime.fault = 'connection refused'
    const pulls = node.runtime.pulls.length
    await eventually(async () => assert.ok(node.runtime.pulls.length > pulls + 1))
    assert.equal(node.report().time, time)
    objects.away = false
    await node.reported(({ problems }) => problems.some(({ code }) => code === 'PULL_REFUSED_CONNECTION'))
  })

  test('a kind that the agent may not watch is a problem, and the node goes on', async () => {
    setDesired()
    const node = await make(objects)
    node.start({ pace: { look: 50 } })
    await node.reported(({ phase }) => phase === 'ready')
    objects.forbid('EndpointSlice')
    const { phase, problems } = await node.reported((report) => report.problems.length > 0)
    assert.equal(phase, 'ready')
    assert.equal(problems[0]?.code, 'WATCH_REFUSED')
    assert.match(problems[0].message, /EndpointSlice is forbidden/)
  })

  test("client = goes when the kubelet's certificate does, and comes back with it", async () => {
    setDesired()
    const path = '/var/lib/kubelet/pki/kubelet-client-current.pem'
    const authority = await makeAuthority(['trow.trow.svc'], [], crypto as Crypto)
    const leaf = { names: ['localhost'], life: 86_400_000 }
    const { cert, key } = await issueLeaf(authority, leaf, crypto as Crypto)
    const node = await make(objects, { [path]: cert + key })
    node.start({ pace: { look: 50, assert: 200 } })
    await node.reported(({ phase, identity }) => phase === 'ready' && identity.kind === 'kubelet')
    assert.match(node.tree.read(hostsFile), /client = /)
    node.tree.write(path, cert)
    await node.reported(({ identity }) => identity.kind === 'none')
    assert.doesNotMatch(node.tree.read(hostsFile), /client = /)
    node.tree.write(path, cert + key)
    await node.reported(({ identity }) => identity.kind === 'kubelet')
    assert.match(node.tree.read(hostsFile), /client = /)
  })

  test('a certificate is asked for until there is one, renewed at half its life, and gone after undo', async () => {
    const authority = await makeAuthority(['trow.trow.svc'], [], crypto as Crypto)
    const asked: string[] = []
    let now = Date.now()
    let certifies = false
    const tokenOf = (uid: string): string => {
      const claims = {
        'kubernetes.io': {
          namespace: 'trow-node',
          serviceaccount: { name: 'trow-node', uid: 'a1' },
          node: { name: 'n1', uid },
        },
      }
      return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`
    }
    let token = tokenOf('u1')
    const node = await make(objects, { '/var/lib/': '' })
    const untouched = node.tree.all()
    putDesiredState(objects, authority.cert, { loopbackPort: port, issueCertificates: true })
    node.start({
      pace: { look: 50 },
      now: () => now,
      certify: async ({ endpoint, request }) => {
        asked.push(endpoint)
        if (!certifies) throw new Error(`${endpoint} answered 503`)
        const life = 7 * 86_400_000
        const uris = urisOf(originOfToken(token))
        return issueNodeCertificate(authority, { node: 'n1', uris, request, life }, crypto as Crypto)
      },
      token: async () => token,
    })
    const { problems } = await node.reported(({ identity }) => identity.kind === 'none')
    assert.equal(problems[0]?.code, 'CERTIFICATE_NOT_ISSUED')
    certifies = true
    await node.reported(({ phase, identity }) => phase === 'ready' && identity.kind === 'issued')
    assert.deepEqual(asked.slice(0, 2), [`127.0.0.1:${port}`, '10.96.7.7:443'])
    const first = node.tree.read('/var/lib/trow-node/node-client.pem')
    assert.match(node.tree.read(hostsFile), /client = .*node-client\.pem/)
    now += 3.6 * 86_400_000
    await eventually(async () => assert.notEqual(node.tree.read('/var/lib/trow-node/node-client.pem'), first))
    const second = node.tree.read('/var/lib/trow-node/node-client.pem')
    // Its Node was deleted and created anew, so the registry refuses the old certificate.
    token = tokenOf('u2')
    putDesiredState(objects, authority.cert, { loopbackPort: port, issueCertificates: true })
    await eventually(async () => {
      const third = new X509Certificate(node.tree.read('/var/lib/trow-node/node-client.pem'))
      assert.notEqual(third.serialNumber, new X509Certificate(second).serialNumber)
      assert.match(
        third.subjectAltName ?? '',
        /^URI:urn:trow:node:u2, URI:urn:trow:account:trow-node:trow-node:a1$/,
      )
    })
    putDesiredState(objects, authority.cert, { loopbackPort: port, issueCertificates: true, mode: 'undo' })
    await node.reported(({ phase }) => phase === 'undone')
    assert.deepEqual(node.tree.all(), untouched)
  })

  test('the folder of the release before: client = is another one before the old file goes, with no registry to ask', async () => {
    const authority = await makeAuthority(['trow.trow.svc'], [], crypto as Crypto)
    const node = await make(objects, { '/var/lib/': '' })
    const old = '/var/lib/trow/node-client.pem'
    const { makeCertificateRequest } = await import('../../src/certificates/certificate-request.ts')
    const { key, request } = await makeCertificateRequest('system:node:n1', crypto as Crypto)
    const issued = { node: 'n1', request, life: 7 * 86_400_000 }
    const chain = await issueNodeCertificate(authority, issued, crypto as Crypto)
    mkdirSync(join(node.tree.root, '/var/lib/trow'), { mode: 0o700 })
    node.tree.write(old, `${chain}${key}`)
    putDesiredState(objects, authority.cert, { loopbackPort: port, issueCertificates: true })
    const seen: boolean[] = []
    node.start({
      machine: {
        inspect: inspectMachine,
        async trust(...parts) {
          const changes = await trustMachine(...parts)
          const named = node.tree.read(hostsFile).includes('/var/lib/trow-node/node-client.pem')
          seen.push(named && existsSync(join(node.tree.root, old)))
          return changes
        },
        untrust: untrustMachine,
        provide: provideTokens,
        withdraw: withdrawTokens,
      },
    })
    await node.reported(({ phase, identity }) => phase === 'ready' && identity.kind === 'issued')
    assert.equal(seen[0], true)
    assert.equal(existsSync(join(node.tree.root, '/var/lib/trow')), false)
    assert.match(node.tree.read(hostsFile), /client = .*trow-node\/node-client\.pem/)
  })

  test('a loopback port that is taken is a problem, and the other endpoints are written', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const taken = (other.address() as AddressInfo).port
    setDesired({ loopbackPort: taken })
    const node = await make(objects)
    node.start({ pace: { look: 50 } })
    const { problems, proxy } = await node.reported(({ phase }) => phase === 'ready')
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['LOOPBACK_PORT_TAKEN'],
    )
    assert.equal(proxy.listening, false)
    assert.doesNotMatch(node.tree.read(hostsFile), /127\.0\.0\.1/)
    await new Promise((resolve) => other.close(resolve))
    await node.reported((report) => report.proxy.listening && report.problems.length === 0)
    assert.match(node.tree.read(hostsFile), new RegExp(`127\\.0\\.0\\.1:${taken}`))
  })

  test('runtimes are restarted one node at a time, the next only after the first has pulled', async () => {
    setDesired({ restartRuntime: false })
    const unset = { '/etc/containerd/config.toml': 'version = 2\n' }
    const [one, two] = [await make(objects, unset, 'n1'), await make(objects, unset, 'n2')]
    for (const node of [one, two]) node.runtime.fault = 'lookup trow.trow.svc: no such host'
    one.start({ pace: { look: 50, assert: 100 } })
    await one.reported(({ problems }) => problems.some(({ code }) => code === 'CONFIG_PATH_UNSET'))
    assert.deepEqual(one.restarts, [], 'never unless it is told')
    setDesired({ restartRuntime: true })
    await eventually(async () => assert.equal(one.restarts.length, 1))
    // The second agent cannot use its port, since the first has it: these nodes share a machine.
    two.start({ pace: { look: 50, assert: 100 } })
    const waiting = await two.reported(({ problems }) =>
      problems.some(({ code }) => code === 'RUNTIME_RESTART_WAITS'),
    )
    assert.match(JSON.stringify(waiting.problems), /after that of node n1/)
    await sleep(500)
    assert.deepEqual([one.restarts.length, two.restarts.length], [1, 0])
    one.runtime.fault = undefined
    await eventually(async () => assert.equal(two.restarts.length, 1))
    two.runtime.fault = undefined
    await two.reported(({ phase }) => phase === 'ready')
    assert.notEqual(one.tree.read('/etc/containerd/config.toml'), 'version = 2\n')
    assert.deepEqual([one.restarts.length, two.restarts.length], [1, 1])
  })
})
