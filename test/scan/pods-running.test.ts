import assert from 'node:assert/strict'
import { after, before, beforeEach, suite, test } from 'node:test'
import { podsRunning } from '../../src/scan/pods-running.ts'
import { digestOf, podOf, startScannedCluster, type ScannedCluster } from './scanned-cluster.ts'

const [bad, other, config] = ['a', 'b', 'c'].map(digestOf) as [string, string, string]
const { signal } = new AbortController()
const settings = { ownHosts: new Set(['trow.trow.svc']), shortNames: 'docker.io' as const }

suite('the pods that run a digest', () => {
  let cluster: ScannedCluster
  before(async () => (cluster = await startScannedCluster()))
  after(() => cluster.close())
  beforeEach(() => cluster.owners.clear())

  const find = async (names: readonly string[] = []): Promise<string[]> => {
    const sought = { digests: new Set([bad]), names: new Set(names), settings }
    const { pods } = await podsRunning(cluster.objects, sought, signal)
    return pods.map(({ namespace, pod, node, owner, place, by }) =>
      [
        `${namespace}/${pod}`,
        node,
        owner === undefined ? '-' : `${owner.kind}/${owner.name}`,
        place,
        by,
      ].join(' '),
    )
  }

  test('are named with their owner and node, by what the node says or the pod asks for', async () => {
    cluster.owners.set('shop/api-5d9f', ['Deployment', 'api'])
    cluster.pods = [
      podOf({
        name: 'api-1',
        owner: ['ReplicaSet', 'api-5d9f'],
        images: [
          ['a:1', `docker.io/library/a@${other}`],
          ['b:1', `b@${bad}`],
        ],
      }),
      podOf({
        name: 'db-0',
        node: 'node-2',
        owner: ['StatefulSet', 'db'],
        images: [[`ghcr.io/acme/db@${bad}`]],
      }),
      podOf({ name: 'alone', images: [['a:1', bad]] }),
      podOf({ name: 'etcd', isStatic: true, images: [['a:1', `docker-pullable://a@${bad}`]] }),
      podOf({ name: 'clean', images: [['a:1', `a@${other}`]] }),
    ]
    assert.deepEqual(await find(), [
      'shop/api-1 node-1 Deployment/api c1 digest',
      'shop/db-0 node-2 StatefulSet/db c0 digest',
      'shop/alone node-1 - c0 digest',
      'shop/etcd node-1 - c0 digest',
    ])
  })

  test('are found by a name that points to it, where the node says no manifest', async () => {
    const name = 'trow.trow.svc/shop/api:1'
    cluster.pods = [
      podOf({ name: 'says-config', images: [[name, config]] }),
      podOf({ name: 'says-nothing', images: [[name]] }),
      podOf({ name: 'says-another', images: [[name, `trow.trow.svc/shop/api@${other}`]] }),
      podOf({ name: 'asks-for-another', images: [[`${name}@${other}`]] }),
    ]
    assert.deepEqual(await find(['@trow/shop/api:1']), [
      'shop/says-config node-1 - c0 name',
      'shop/says-nothing node-1 - c0 name',
    ])
    assert.deepEqual(await find(), [])
  })

  test('are listed up to a bound, and the others are counted', async () => {
    cluster.pods = Array.from({ length: 1010 }, (_, place) =>
      podOf({ name: `p-${place}`, images: [['a:1', `a@${bad}`]] }),
    )
    const sought = { digests: new Set([bad]), names: new Set<string>(), settings }
    const { pods, leftOut } = await podsRunning(cluster.objects, sought, signal)
    assert.deepEqual([pods.length, leftOut], [1000, 10])
  })
})
