import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { existsSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, before, beforeEach, suite, test } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { usualPace } from '../../src/agent/agent-pace.ts'
import {
  issueLeaf,
  issueNodeCertificate,
  makeAuthority,
} from '../../src/certificates/certificate-authority.ts'
import { trustMachine } from '../../src/trust/trust-machine.ts'
import { eventually } from '../support/program.ts'
import { makeCa } from '../trust/authorities.ts'
import { AgentNode, hostsFile, putDesiredState } from './agent-fixture.ts'
import { FakeObjects } from './fake-objects.ts'

/** No test waits for the check of the whole node: it is an hour away. */
const pace = { look: 50, assert: 3_600_000 }

suite('what changes on a node without a word', () => {
  let ca: string
  let objects: FakeObjects
  let node: AgentNode
  let port: number
  before(async () => {
    ca = await makeCa()
  })
  beforeEach(async () => {
    objects = new FakeObjects()
    port = await freePort()
    putDesiredState(objects, ca, { loopbackPort: port })
    node = await AgentNode.make(objects)
  })
  afterEach(async () => {
    await node.close()
  })

  test('a look at the files comes at least twice in 30 s', () => {
    assert.ok(usualPace.look <= 15_000)
  })

  test('files that others take away or change are written again, and proved by a pull', async () => {
    node.start({ pace })
    await node.reported(({ phase }) => phase === 'ready')
    const complete = node.tree.all()
    for (const harm of [
      () => rmSync(join(node.tree.root, '/etc/containerd/certs.d'), { recursive: true }),
      () => node.tree.write(hostsFile, `${node.tree.read(hostsFile)}# more\n`),
    ]) {
      const pulls = node.runtime.pulls.length
      harm()
      await eventually(async () => assert.deepEqual(node.tree.all(), complete))
      await eventually(async () => assert.ok(node.runtime.pulls.length > pulls))
    }
  })

  test('they are written again while a pull hangs', async () => {
    node.start({ pace })
    await node.reported(({ phase }) => phase === 'ready')
    const complete = node.tree.all()
    node.runtime.hangs = true
    const pulls = node.runtime.pulls.length
    rmSync(join(node.tree.root, hostsFile))
    await eventually(async () => assert.ok(node.runtime.pulls.length > pulls))
    rmSync(join(node.tree.root, hostsFile))
    await eventually(async () => assert.deepEqual(node.tree.all(), complete))
  })

  test('nothing is written where nothing has changed', async () => {
    node.start({ pace })
    await node.reported(({ phase }) => phase === 'ready')
    const path = join(node.tree.root, hostsFile)
    const { ino, mtimeMs } = statSync(path)
    const pulls = node.runtime.pulls.length
    let looks = 0
    await node.stop()
    node.start({ pace, machine: node.machine({ trust: async (...all) => (looks++, trustMachine(...all)) }) })
    await eventually(async () => assert.ok(looks > 10))
    assert.deepEqual([statSync(path).ino, statSync(path).mtimeMs], [ino, mtimeMs])
    assert.ok(node.runtime.pulls.length <= pulls + 1, 'the new agent has pulled once')
  })

  test('a write that failed is tried again at the next look: a disk that was full has room again', async () => {
    let isFull = true
    const tries: number[] = []
    node.start({
      pace,
      machine: node.machine({
        trust: async (...all) => {
          tries.push(performance.now())
          if (isFull)
            throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
          return trustMachine(...all)
        },
      }),
    })
    const { problems } = await node.reported((report) => report.problems.length > 0)
    assert.equal(problems[0]?.code, 'FILES_NOT_WRITTEN')
    await eventually(async () => assert.ok(tries.length > 3))
    isFull = false
    await node.reported(({ phase, problems: left }) => phase === 'ready' && left.length === 0)
  })

  test('a file of somebody else that is gone makes room for ours at the next look', async () => {
    node.tree.write(hostsFile, 'server = "https://elsewhere.test"\n')
    node.start({ pace })
    await node.reported(({ problems }) => problems[0]?.code === 'FILE_FOREIGN')
    rmSync(join(node.tree.root, hostsFile))
    await node.reported(({ phase, problems }) => phase === 'ready' && problems.length === 0)
    assert.ok(existsSync(join(node.tree.root, hostsFile)))
  })

  test("a kubelet's certificate is left before it ends, and only for another that is there", async () => {
    const path = '/var/lib/kubelet/pki/kubelet-client-current.pem'
    const authority = await makeAuthority(['trow.trow.svc'], [], crypto as Crypto)
    const life = 86_400_000
    const { cert, key } = await issueLeaf(authority, { names: ['localhost'], life }, crypto as Crypto)
    node.tree.write(path, cert + key)
    const end = new X509Certificate(cert).validToDate.getTime()
    putDesiredState(objects, authority.cert, { loopbackPort: port, issueCertificates: true })
    let now = Date.now()
    let [asked, certifies] = [0, false]
    node.start({
      pace,
      now: () => now,
      certify: async ({ request }) => {
        asked++
        if (!certifies) throw new Error('answered 503')
        return issueNodeCertificate(
          authority,
          { node: 'n1', request, life: 7 * 86_400_000 },
          crypto as Crypto,
        )
      },
    })
    await node.reported(({ phase, identity }) => phase === 'ready' && identity.kind === 'kubelet')
    assert.equal(asked, 0)
    now = end - 60_000
    await eventually(async () => assert.ok(asked > 0))
    assert.equal(node.report().identity.kind, 'kubelet', 'it still holds, and there is no other')
    certifies = true
    await node.reported(({ identity }) => identity.kind === 'issued')
    assert.match(node.tree.read(hostsFile), /client = .*node-client\.pem/)
  })
})
