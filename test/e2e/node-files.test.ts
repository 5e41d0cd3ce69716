import assert from 'node:assert/strict'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openCri, type Cri } from '../../src/agent/cri.ts'
import { nodeReportSchema, type NodeReport } from '../../src/cluster/node-report.ts'
import { imageProblem } from '../support/trow-image.ts'
import { Authority } from '../support/certificate-authority.ts'
import { InstallFixture, reference } from './install-fixture.ts'
import type { ClusterNode } from './node.ts'
import { subfolder } from './place.ts'
import { eventually } from '../support/program.ts'
import { clusterProblem } from './requirements.ts'

const certs = '/etc/containerd/certs.d'
/** Milliseconds within which an agent restores the files of its node, so that the second try of the kubelet succeeds. */
const mended = 35_000

/** Changes of a node's files that its agent has not made. */
suite('files of a node that others take away', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture
  let node: ClusterNode
  let cri: Cri

  before(async () => {
    trow = await InstallFixture.start('node-files')
    node = trow.cluster.nodes[1]!
    cri = await openCri(node.outside('/run/containerd/containerd.sock'))
    await trow.healthy()
  })
  after(async () => {
    cri.close()
    await trow.close()
  })

  const pull = async (): Promise<void> => {
    await cri.removeImage(reference)
    await cri.pullImage(reference, 60_000)
  }
  async function secondsUntilPulls(): Promise<string> {
    const began = performance.now()
    await eventually(pull, mended)
    return ((performance.now() - began) / 1000).toFixed(1)
  }
  async function report(): Promise<NodeReport> {
    const name = `node-${node.name}`
    const text = await trow.kubectl(
      '-n',
      'trow-node',
      'get',
      'configmap',
      name,
      '-o',
      'jsonpath={.data.report\\.json}',
    )
    return nodeReportSchema.parse(JSON.parse(text))
  }

  test('certs.d is wiped: the node pulls again by itself', async (context) => {
    const folder = node.outside(certs)
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true })
    await assert.rejects(pull(), /lookup trow\.trow\.svc/)
    context.diagnostic(`pulls again after ${await secondsUntilPulls()} s`)
  })

  test('a disk that was full and has room again: the node pulls by itself', async (context) => {
    const full = join(certs, 'full')
    await node.enter('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', certs])
    try {
      await node
        .enter('dd', ['if=/dev/zero', `of=${full}`, 'bs=4k'])
        .catch((error: Error) => assert.match(error.message, /No space left/))
      // A pod sees only mounts that exist when it starts.
      await trow.restartAgent(node)
      await eventually(async () => {
        const { problems } = await report()
        assert.match(JSON.stringify(problems), /MACHINE_NOT_WRITABLE[^}]*ENOSPC/)
      }, 60_000)
      await assert.rejects(pull(), /lookup trow\.trow\.svc/)
      await node.enter('rm', [full])
      context.diagnostic(`pulls again after ${await secondsUntilPulls()} s`)
    } finally {
      await node.enter('umount', ['--lazy', certs])
      await trow.restartAgent(node)
    }
    await eventually(pull, mended)
    await trow.healthy()
  })

  test("the kubelet's certificate is left before it ends, and no pull fails", async (context) => {
    const file = node.outside('/var/lib/kubelet/pki/kubelet-client-current.pem')
    const usual = readFileSync(file, 'utf8')
    // Two minutes before its end it is left.
    const life = 150_000
    const { cert, key } = await new Authority(subfolder('pki')).issue({
      user: `system:node:${node.name}`,
      groups: ['system:nodes'],
      names: [node.name, node.address],
      life,
    })
    const end = Date.now() + life
    writeFileSync(file, `${cert}${key}`, { mode: 0o600 })
    try {
      let left = 0
      const pulls = await trow.pullWhile([node], async () => {
        await eventually(async () => {
          const { identity } = await report()
          assert.equal(identity.kind, 'issued')
        }, life)
        left = end - Date.now()
        await sleep(left + 5000)
      })
      context.diagnostic(
        `left ${(left / 1000).toFixed(0)} s before its end; ${pulls.count} pulls, ${pulls.failures.length} failed`,
      )
      assert.ok(left > 60_000)
      assert.deepEqual(pulls.failures, [])
    } finally {
      writeFileSync(file, usual, { mode: 0o600 })
    }
    await eventually(async () => assert.equal((await report()).identity.kind, 'kubelet'), 60_000)
    await pull()
  })
})
