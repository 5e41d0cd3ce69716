import assert from 'node:assert/strict'
import { webcrypto, X509Certificate } from 'node:crypto'
import { beforeEach, suite, test } from 'node:test'
import {
  isCovered,
  issueLeaf,
  makeAuthority,
  type CertificateAuthority,
} from '../../src/certificates/certificate-authority.ts'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import { layoutOf } from '../../src/cluster/layout.ts'
import type { NodeReport } from '../../src/cluster/node-report.ts'
import { AuthorityRotation, fingerprint } from '../../src/install/authority-rotation.ts'
import { patientObjects } from '../../src/install/patient-objects.ts'
import { certificatesInPem } from '../../src/pem-bundle.ts'
import { UserError } from '../../src/user-error.ts'
import { FakeObjects } from '../support/fake-objects.ts'
import { nodeObject, reportObject } from '../support/node-objects.ts'

const crypto = webcrypto as Crypto
const make = (_current?: string, hosts: readonly string[] = []): Promise<CertificateAuthority> =>
  makeAuthority(['trow.trow.svc', ...hosts], [], crypto)
const base64 = (text: string): string => Buffer.from(text).toString('base64')

suite('the CA is replaced', () => {
  let objects: FakeObjects
  let first: CertificateAuthority
  let clock: number
  let said: string[]
  /** Whether agents and registry follow the changes, as in a cluster. */
  let following: boolean

  const dataOf = async (kind: string, name: string, namespace = 'trow'): Promise<Record<string, string>> =>
    (await objects.get({ apiVersion: 'v1', kind, name, namespace }))?.['data'] as Record<string, string>
  const secret = async (name: string): Promise<string> =>
    Buffer.from((await dataOf('Secret', 'trow-ca'))[name] ?? '', 'base64').toString()
  const bundle = async (): Promise<string[]> =>
    certificatesInPem((await dataOf('ConfigMap', 'trow-ca'))['ca.crt'] ?? '').map(fingerprint)
  const report = (node: string, effective: number, changes: Partial<NodeReport> = {}): void =>
    objects.put(reportObject(node, clock, { generation: { written: effective, effective }, ...changes }))

  const pause = async (milliseconds: number): Promise<void> => {
    clock += milliseconds
    if (!following) return
    const { generation } = await dataOf('ConfigMap', 'trow-ca')
    report('n1', Number(generation))
  }
  const rotation = (pausing = pause): AuthorityRotation =>
    new AuthorityRotation({
      objects: patientObjects(objects, {
        deadline: clock + 600_000,
        now: () => clock,
        pause: pausing,
        tell: (text) => void said.push(text),
      }),
      layout: layoutOf('trow'),
      makeAuthority: make,
      shownLeaf: async () => {
        const authority = { cert: await secret('ca.crt'), key: await secret('ca.key') }
        return (await issueLeaf(authority, { names: ['trow'], life: 86_400_000 }, crypto)).cert
      },
      now: () => clock,
      say: (text) => void said.push(text),
      pause: pausing,
    })
  const soon = (): number => clock + 60_000

  beforeEach(async () => {
    objects = new FakeObjects()
    first = await make()
    clock = Date.parse('2026-11-24T12:00:00Z')
    said = []
    following = true
    const metadata = (name: string, namespace = 'trow'): object => ({ name, namespace })
    objects.put(
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: metadata('trow-ca'),
        data: { 'ca.crt': base64(first.cert), 'ca.key': base64(first.key) },
      },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: metadata('trow-ca'),
        data: { 'ca.crt': first.cert, generation: '1' },
      },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: metadata('trow-orders', 'trow'),
        data: { 'ca.crt': first.cert, 'settings.json': JSON.stringify({ mode: 'trust', generation: 1 }) },
      },
      nodeObject('n1'),
    )
    report('n1', 1)
  })

  test('both are trusted before the next one signs, and the old one goes at the end', async () => {
    await rotation().rotate({ deadline: soon(), force: false })
    const second = await secret('ca.crt')
    assert.notEqual(second, first.cert)
    assert.deepEqual(await bundle(), [fingerprint(first.cert), fingerprint(second)])
    const told = await dataOf('ConfigMap', 'trow-orders')
    assert.deepEqual(JSON.parse(told['settings.json'] ?? ''), { mode: 'trust', generation: 2 })
    assert.equal(certificatesInPem(told['ca.crt'] ?? '').length, 2)
    const published = objects.writes.indexOf('patch ConfigMap trow/trow-orders')
    assert.ok(published > 0 && published < objects.writes.lastIndexOf('patch Secret trow/trow-ca'))
    assert.equal(await secret('next.key'), '')

    await rotation().finish({ deadline: soon(), force: false })
    assert.deepEqual(await bundle(), [fingerprint(second)])
    assert.equal((await dataOf('ConfigMap', 'trow-ca'))['generation'], '3')
  })

  test('a Ready node that is behind keeps the next one from signing; a second run goes on', async () => {
    following = false
    await assert.rejects(rotation().rotate({ deadline: soon(), force: false }), (error: UserError) => {
      assert.equal(error.code, 'NODES_BEHIND')
      assert.match(error.message, /n1/)
      return error.exitCode === 75
    })
    assert.equal(await secret('ca.crt'), first.cert)
    const next = await secret('next.crt')
    following = true
    await rotation().rotate({ deadline: soon(), force: false })
    assert.equal(await secret('ca.crt'), next)
    assert.equal((await bundle()).length, 2)
  })

  test('the next CA speaks for more names when it is asked to', async () => {
    const hosts = ['registry.example.com']
    await rotation().rotate({ deadline: soon(), force: false, hosts })
    const second = await secret('ca.crt')
    assert.ok(isCovered('registry.example.com', second) && isCovered('trow.trow.svc', second))
    assert.ok(!isCovered('registry.example.com', first.cert) && !isCovered('other.example.com', second))
  })

  test('a next CA that was made without those names is not taken for one that has them', async () => {
    following = false
    await assert.rejects(rotation().rotate({ deadline: soon(), force: false }), { code: 'NODES_BEHIND' })
    following = true
    const hosts = ['registry.example.com']
    const refused = rotation().rotate({ deadline: soon(), force: false, hosts })
    await assert.rejects(refused, { code: 'ROTATION_UNFINISHED' })
    assert.equal(await secret('ca.crt'), first.cert)
  })

  test('where the CA has expired no node can pull: that it has written both is enough', async () => {
    const written = { generation: { written: 2, effective: 1 } }
    report('n1', 1, written)
    following = false
    await assert.rejects(rotation().rotate({ deadline: clock, force: false }), { code: 'NODES_BEHIND' })
    clock = Date.parse(new X509Certificate(first.cert).validTo) + 1000
    report('n1', 1, { generation: { written: 1, effective: 1 } })
    await assert.rejects(rotation().rotate({ deadline: clock, force: false }), { code: 'NODES_BEHIND' })
    report('n1', 1, written)
    await rotation().rotate({ deadline: soon(), force: false })
    assert.notEqual(await secret('ca.crt'), first.cert)
    assert.ok(said.some((line) => line.includes('expired on')))
  })

  test('an old report is no acknowledgement', async () => {
    report('n1', 2)
    following = false
    clock += 121_000
    await assert.rejects(
      rotation().rotate({ deadline: soon(), force: false }),
      /not yet with generation 2: n1/,
    )
  })

  test('a node that is down is named, and not waited for', async () => {
    objects.put(nodeObject('n2', false))
    await rotation().rotate({ deadline: soon(), force: false })
    assert.ok(said.some((line) => line.includes('not Ready') && line.includes('n2')))
  })

  test('after an outage a node that looks as if it were down is waited for', async () => {
    let back = Infinity
    objects.fault = (verb, kind) => {
      if (verb === 'list' && kind === 'Node' && back === Infinity) back = clock + 50_000
      if (clock < back && back !== Infinity)
        throw new ClusterFault('unreachable', 'no answer from https://fake')
    }
    objects.put(nodeObject('n1', false))
    following = false
    const seen: string[] = []
    const late = async (milliseconds: number): Promise<void> => {
      clock += milliseconds
      if (back === Infinity || clock < back + 20_000) return
      objects.put(nodeObject('n1'))
      if (clock < back + 30_000) return
      seen.push(fingerprint(await secret('ca.crt')))
      report('n1', 2)
    }
    await rotation(late).rotate({ deadline: clock + 180_000, force: false })
    // The registry did not sign with the next CA before the node had it.
    assert.deepEqual([...new Set(seen)], [fingerprint(first.cert)])
    assert.notEqual(await secret('ca.crt'), first.cert)
    assert.ok(!said.some((line) => line.includes('not Ready')))
  })

  test('a node whose files its platform writes has to be vouched for by the person', async () => {
    objects.put(nodeObject('n2'), reportObject('n2', clock, { class: 'managed', generation: {} }))
    await assert.rejects(rotation().rotate({ deadline: soon(), force: false }), (error: UserError) => {
      assert.match(error.hint ?? '', /n2: give them what trow ca show prints/)
      return error.code === 'NODES_BEHIND'
    })
    objects.put(reportObject('n2', clock, { class: 'managed', generation: {} }))
    await rotation().rotate({ deadline: soon(), force: true })
    assert.equal((await bundle()).length, 2)
  })

  test('one replacement at a time', async () => {
    await rotation().rotate({ deadline: soon(), force: false })
    await assert.rejects(rotation().rotate({ deadline: soon(), force: false }), {
      code: 'ROTATION_UNFINISHED',
    })
    assert.equal((await bundle()).length, 2)
  })

  test('the old one stays while nodes may hold certificates of it', async () => {
    const issued = { identity: { kind: 'issued' } } as const
    await rotation().rotate({ deadline: soon(), force: false })
    report('n1', 2, issued)
    following = false
    await assert.rejects(rotation().finish({ deadline: soon(), force: false }), {
      code: 'ROTATION_TOO_EARLY',
    })
    clock += 8 * 86_400_000
    report('n1', 3, issued)
    await rotation().finish({ deadline: soon(), force: false })
    assert.equal((await bundle()).length, 1)
  })

  test('where nothing is installed it says so', async () => {
    objects = new FakeObjects()
    await assert.rejects(rotation().state(), { code: 'NOT_INSTALLED' })
  })
})
