import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { breakGlassLine } from '../../src/cluster/break-glass-line.ts'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import { eventually } from '../support/program.ts'
import { container, podIn, type AdmissionDoor } from './admission-door.ts'
import type { InstallFixture } from './install-fixture.ts'
import { NodesOfBefore } from './nodes-of-before.ts'

export interface ClosedDoor {
  readonly trow: InstallFixture
  readonly door: AdmissionDoor
  /** Namespaces: the one that is asked, and one that has what a cluster's network has. */
  readonly team: string
  readonly network: string
  /** Images: one that is there and let in, and one that is refused. */
  readonly good: string
  readonly bad: string
}

/** Tests of failurePolicy Fail, in the order in which they must run. */
export function testClosedDoor(given: () => ClosedDoor): void {
  const pod = (name: string, image: string): KubeObject => podIn(given().team, name, image)

  test('Fail is refused while the network of the cluster would be judged', async () => {
    const { trow, door, network, good } = given()
    await door.objects.apply(networkOf(network, good))
    const { code, stderr } = await trow.install('--admission-failure-policy', 'fail')
    assert.equal(code, 79, stderr)
    assert.match(stderr, /doors-net: network \(DaemonSet net\)/)
    assert.match(stderr, /--exempt-namespaces doors-net/)
    assert.equal(await door.failurePolicy(), 'Ignore')
  })

  test('Fail: with every pod of trow and of the network deleted and the nodes made anew the cluster comes up by itself', async (context) => {
    const { trow, door, network, good, bad } = given()
    const closed = ['--admission-failure-policy', 'fail', '--exempt-namespaces', network]
    const { code, stderr } = await trow.install(...closed, '--tenants', 'enforce')
    assert.equal(code, 0, stderr)
    assert.equal(await door.failurePolicy(), 'Fail')
    assert.match((await trow.trow('status')).stdout, /failurePolicy is Fail/)
    const nodes = await NodesOfBefore.of(trow.cluster)
    const begin = performance.now()
    try {
      for (const namespace of ['trow', 'trow-node', network])
        await trow.kubectl('-n', namespace, 'delete', 'pod', '--all', '--grace-period=0', '--force')
      await eventually(async () => {
        const message = (await door.refusal(pod('closed', good))) ?? 'it is admitted'
        assert.match(message, /failed calling webhook "pods\.trow\.io"/)
      }, 10_000)
      await nodes.makeAnew()
      await eventually(async () => assert.equal(await door.refusal(pod('again', good)), undefined), 180_000)
    } finally {
      await nodes.areAsBefore()
    }
    context.diagnostic(`pods are admitted again after ${Math.round((performance.now() - begin) / 1000)} s`)
    await trow.kubectl('-n', network, 'rollout', 'status', 'daemonset/net', '--timeout=60s')
    assert.equal(await door.failurePolicy(), 'Fail')
    await eventually(() => door.everyReviewSays(bad, /NOT_ALLOWED/), 30_000)
    await trow.healthy()
  })

  test("a tenant's image is refused to another namespace, and let into its own", async (context) => {
    const { door, team } = given()
    const image = `trow.trow.svc/${team}/app:1`
    const message = (await door.refusal(podIn('default', 'tenant', image))) ?? 'it is admitted'
    context.diagnostic(message)
    assert.match(message, /admission webhook "pods\.trow\.io" denied the request/)
    assert.match(message, /system:serviceaccount:default:default may not pull doors-team\/app {2}NOT_YOURS/)
    assert.equal(await door.refusal(pod('tenant', image)), undefined)
  })

  test('break-glass opens while trow is down, holds when trow is back, and ends', async () => {
    const { trow, door, good, bad } = given()
    await door.scale(0)
    await eventually(
      async () => assert.match((await door.refusal(pod('shut', good))) ?? '', /failed calling/),
      15_000,
    )
    const until = new Date(Date.now() + 45_000)
    await trow.inShell(breakGlassLine('trow', until.toISOString()))
    await eventually(async () => assert.equal(await door.refusal(pod('open', bad)), undefined), 10_000)
    assert.match((await trow.trow('status')).stdout, /break-glass is open until/)
    await door.scale(2)
    await eventually(async () => assert.equal(await door.refusal(pod('still', bad)), undefined), 10_000)
    assert.ok(Date.now() < until.getTime(), 'the pods took longer than the opening')
    assert.equal(await door.failurePolicy(), 'Ignore')
    await sleep(Math.max(0, until.getTime() - Date.now()))
    await eventually(() => door.everyReviewSays(bad, /NOT_ALLOWED/), 15_000)
    await eventually(async () => assert.equal(await door.failurePolicy(), 'Fail'), 30_000)
  })
}

function networkOf(namespace: string, image: string): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'net', namespace },
    spec: {
      selector: { matchLabels: { app: 'net' } },
      template: {
        metadata: { labels: { app: 'net' } },
        spec: {
          hostNetwork: true,
          terminationGracePeriodSeconds: 0,
          tolerations: [{ operator: 'Exists' }],
          containers: [container(image)],
          volumes: [{ name: 'cni', hostPath: { path: '/etc/cni/net.d' } }],
        },
      },
    },
  }
}
