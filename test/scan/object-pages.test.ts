import assert from 'node:assert/strict'
import { after, before, beforeEach, suite, test } from 'node:test'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import { readRunningGroups } from '../../src/scan/running-groups.ts'
import { failure, reply } from '../support/fake-api-server.ts'
import { podOf, startScannedCluster, type ScannedCluster } from './scanned-cluster.ts'

const { signal } = new AbortController()

suite('pods are read in pages', () => {
  let cluster: ScannedCluster
  let asked: number
  before(async () => (cluster = await startScannedCluster()))
  after(() => cluster.close())
  beforeEach(() => {
    cluster.fault = () => false
    asked = cluster.server.asked.length
  })
  const limits = (): number[] =>
    cluster.server.asked.slice(asked).flatMap(({ path }) => Number(/limit=(\d+)/.exec(path)?.[1] ?? []))
  const pods = (count: number, padding = ''): Record<string, unknown>[] =>
    Array.from({ length: count }, (_, place) => ({
      ...podOf({ name: `p-${place}`, images: [[`app:${place}`]] }),
      padding,
    }))

  test('of at most 500 objects, all of them once', async () => {
    cluster.pods = pods(2600)
    const { groups, images } = await readRunningGroups(cluster.objects, signal)
    assert.deepEqual([groups.length, images.length], [2600, 2600])
    assert.ok(limits().length > 4 && limits().every((limit) => limit <= 500), limits().join(' '))
  })

  test('large objects make small pages: none is read that has more than 4 MiB', async () => {
    cluster.pods = pods(60, 'x'.repeat(700_000))
    assert.equal((await readRunningGroups(cluster.objects, signal)).pods, 60)
    const [first = 0, ...others] = limits()
    assert.ok(first >= 60 && others.length >= 60 / 5, limits().join(' '))
    assert.ok(
      others.slice(1).every((limit) => limit <= 5),
      limits().join(' '),
    )
  })

  test('a list whose snapshot has expired is read anew, and no pod is counted twice', async () => {
    cluster.pods = pods(1000)
    let expired = 0
    cluster.fault = (path, response) => {
      if (!path.includes('continue=300') || expired++ > 0) return false
      failure(response, 410, 'The provided continue parameter is too old')
      return true
    }
    assert.equal((await readRunningGroups(cluster.objects, signal)).pods, 1000)
    assert.equal(expired, 1)
  })

  test('one that expires again and again is given up', async () => {
    cluster.pods = pods(2000)
    cluster.fault = (path, response) => {
      if (!path.includes('continue=')) return false
      failure(response, 410, 'too old')
      return true
    }
    await assert.rejects(readRunningGroups(cluster.objects, signal), ClusterFault)
    assert.equal(limits().length, 8)
  })

  test('an answer of something else than an API server is a fault', async () => {
    cluster.fault = (path, response) => {
      if (!path.includes('/pods?')) return false
      reply(response, 200, { items: 'no' })
      return true
    }
    await assert.rejects(readRunningGroups(cluster.objects, signal), ClusterFault)
  })
})
