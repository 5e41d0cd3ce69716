import assert from 'node:assert/strict'
import { LongestTurn } from '../support/longest-turn.ts'
import { after, afterEach, before, beforeEach, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../src/log.ts'
import type { ContentFact } from '../../src/policy/image-content.ts'
import { printReference } from '../../src/policy/image-reference.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { PolicySet } from '../../src/policy/policy-set.ts'
import type { RunningContent } from '../../src/scan/fact-looks.ts'
import { readRunningGroups } from '../../src/scan/running-groups.ts'
import { RunningMap } from '../../src/scan/running-map.ts'
import { RunningScan } from '../../src/scan/running-scan.ts'
import type { RunningFindings } from '../../src/scan/running-findings.ts'
import { failure } from '../support/fake-api-server.ts'
import {
  digestOf,
  GivenPolicies,
  podOf,
  policyOf,
  quiet,
  setOf,
  startScannedCluster,
  type ScannedCluster,
} from './scanned-cluster.ts'

const [bad, good, config, index] = ['a', 'b', 'c', 'd'].map(digestOf) as [string, string, string, string]

/** Content of the registry by canonical name; what is not given is absent. */
class GivenContent implements RunningContent {
  readonly asked: string[] = []
  readonly known = new Map<
    string,
    { readonly digests: readonly string[]; readonly contains?: readonly string[] }
  >()
  isAway = false

  of(reference: Parameters<RunningContent['of']>[0]): Promise<ContentFact> {
    const name = printReference(reference)
    this.asked.push(name)
    const content = this.known.get(name)
    if (this.isAway) return Promise.resolve({ kind: 'failed', reason: 'FACT_UPSTREAM' })
    if (content === undefined) return Promise.resolve({ kind: 'absent' })
    const { digests, contains = [] } = content
    return Promise.resolve({
      kind: 'known',
      content: {
        digests: digests as readonly Digest[],
        contains: contains as readonly Digest[],
        platforms: ['linux/amd64'],
        listedBy: [],
        size: 100,
        isEvidence: false,
      },
    })
  }
}

suite('what runs, against what is in force', () => {
  let cluster: ScannedCluster
  let content: GivenContent
  before(async () => (cluster = await startScannedCluster()))
  after(() => cluster.close())
  beforeEach(() => {
    cluster.pods = []
    cluster.owners.clear()
    cluster.map = undefined
    cluster.writes = 0
    cluster.fault = () => false
    content = new GivenContent()
  })

  const scans: RunningScan[] = []
  afterEach(() => Promise.all(scans.map((scan) => scan.stop())))
  const scanOf = (feed: GivenPolicies, interval?: number, log: Log = quiet): RunningScan => {
    const scan = new RunningScan({
      objects: cluster.objects,
      namespace: 'trow',
      feed,
      content,
      now: () => Date.now(),
      log,
      ...(interval !== undefined && { interval }),
    })
    scans.push(scan)
    return scan
  }
  const lists = (): number => cluster.server.asked.filter(({ path }) => path.includes('/pods?')).length

  /** The findings of one scan by these policies. */
  async function scanned(set: PolicySet): Promise<RunningFindings> {
    const scan = scanOf(new GivenPolicies(set))
    scan.start()
    await until(() => scan.findings !== undefined && cluster.writes > 0)
    await scan.stop()
    return scan.findings as RunningFindings
  }

  const brief = (findings: RunningFindings): string[] =>
    findings.findings.map(
      ({ namespace, policy, mode, reason, owner, pods }) =>
        `${namespace} ${owner.kind}/${owner.name} ${policy} ${mode} ${reason} ${pods}`,
    )

  const deny = (...digests: readonly string[]): PolicySet =>
    setOf([
      policyOf('quarantine', {
        mode: 'enforce',
        default: 'pass',
        deny: digests.map((digest) => ({ digest, reason: 'it is bad' })),
      }),
    ])

  test('pods are found by the digest that the node says, and named by the Deployment behind their ReplicaSet', async () => {
    const owner = ['ReplicaSet', 'api-5d9f'] as const
    cluster.owners.set('shop/api-5d9f', ['Deployment', 'api'])
    cluster.pods = [
      podOf({ name: 'api-1', owner, images: [['ghcr.io/acme/api:1', `ghcr.io/acme/api@${bad}`]] }),
      podOf({
        name: 'api-2',
        owner,
        node: 'node-2',
        images: [['ghcr.io/acme/api:1', `ghcr.io/acme/api@${bad}`]],
      }),
      podOf({ name: 'api-3', owner, images: [['ghcr.io/acme/api:1', `ghcr.io/acme/api@${good}`]] }),
      podOf({ name: 'web-1', images: [['ghcr.io/acme/web:1', `docker-pullable://ghcr.io/acme/web@${bad}`]] }),
      podOf({
        name: 'done',
        phase: 'Succeeded',
        images: [['ghcr.io/acme/web:1', `ghcr.io/acme/web@${bad}`]],
      }),
    ]
    const findings = await scanned(deny(bad))
    assert.deepEqual(brief(findings), [
      'shop Deployment/api quarantine enforce DENY_LIST 2',
      'shop Pod/web-1 quarantine enforce DENY_LIST 1',
    ])
    assert.deepEqual([findings.pods, findings.violating, findings.images], [4, 3, 3])
    assert.deepEqual(findings.policies, [{ policy: 'quarantine', mode: 'enforce', pods: 3, namespaces: 1 }])
    const [api] = findings.owners
    assert.deepEqual(
      [api?.owner.name, api?.pods, api?.policies, api?.reasons],
      ['api', 2, ['quarantine'], ['DENY_LIST']],
    )
    assert.match(findings.findings[0]?.detail ?? '', /it is bad/)
  })

  test('init containers, debug containers and image volumes are looked at, and a static pod is marked', async () => {
    const container = (name: string): object => ({ name, image: `quay.io/evil/${name}:1` })
    cluster.pods = [
      podOf({
        name: 'job-1',
        owner: ['Job', 'nightly-28'],
        images: [['docker.io/library/nginx:1']],
        spec: {
          initContainers: [container('init')],
          ephemeralContainers: [container('shell')],
          volumes: [
            { name: 'model', image: { reference: 'quay.io/evil/model:1' } },
            { name: 'tmp', emptyDir: {} },
          ],
        },
      }),
      podOf({
        namespace: 'kube-system',
        name: 'etcd-node-1',
        isStatic: true,
        images: [['quay.io/evil/etcd:1']],
      }),
    ]
    cluster.owners.set('shop/nightly-28', ['CronJob', 'nightly'])
    const rules = [{ scope: 'docker.io/library', unverified: true }]
    const findings = await scanned(setOf([policyOf('names', { mode: 'warn', default: 'deny', rules })]))
    assert.deepEqual(brief(findings), [
      'shop CronJob/nightly names warn NOT_ALLOWED 1',
      'kube-system Pod/etcd-node-1 names warn NOT_ALLOWED 1',
    ])
    assert.deepEqual(
      findings.findings.map(({ isStatic }) => isStatic),
      [false, true],
    )
    for (const place of ['init init', 'debug shell', 'volume model']) {
      const list = { init: 'initContainers', debug: 'ephemeralContainers', volume: 'volumes' }
      const [kind = '', name = ''] = place.split(' ')
      const only =
        kind === 'volume'
          ? { name, image: { reference: 'quay.io/evil/x:1' } }
          : { name, image: 'quay.io/evil/x:1' }
      cluster.writes = 0
      cluster.pods = [podOf({ images: [], spec: { [list[kind as keyof typeof list]]: [only] } })]
      const { findings: found } = await scanned(
        setOf([policyOf('names', { mode: 'audit', default: 'deny', rules })]),
      )
      assert.deepEqual(
        found.map((each) => `${each.place} ${each.mode}`),
        [`${place} audit`],
      )
    }
  })

  test('the digest of an image volume is read where the node says it', async () => {
    const volumes = [{ name: 'model', image: { reference: 'quay.io/models/llm:1' } }]
    const containerStatuses = [
      {
        name: 'c0',
        imageID: `docker.io/library/nginx@${good}`,
        volumeMounts: [{ name: 'model', volumeStatus: { image: { imageRef: `quay.io/models/llm@${bad}` } } }],
      },
    ]
    cluster.pods = [podOf({ images: [['nginx:1']], spec: { volumes }, status: { containerStatuses } })]
    const [found] = (await scanned(deny(bad))).findings
    assert.deepEqual([found?.place, found?.reason], ['volume model', 'DENY_LIST'])
  })

  test('the name is judged as the pod has it: a digest of the node makes a tag no digest', async () => {
    cluster.pods = [podOf({ images: [['ghcr.io/acme/api:latest', `ghcr.io/acme/api@${good}`]] })]
    const rules = [{ scope: 'ghcr.io/acme', require: { digest: true } }]
    const { findings } = await scanned(
      setOf([policyOf('pinned', { mode: 'enforce', default: 'deny', rules })]),
    )
    assert.deepEqual(
      findings.map(({ reason }) => reason),
      ['DIGEST_REQUIRED'],
    )
  })

  test('content of the registry is asked for by the digest that runs, not by where its tag points now', async () => {
    content.known.set(`@trow/shop/api@${index}`, { digests: [index], contains: [bad, config] })
    content.known.set('@trow/shop/api:1', { digests: [good] })
    cluster.pods = [podOf({ images: [['trow.trow.svc/shop/api:1', `trow.trow.svc/shop/api@${index}`]] })]
    const { findings } = await scanned(deny(bad))
    assert.deepEqual(
      findings.map(({ reason }) => reason),
      ['DENY_LIST'],
    )
    assert.deepEqual(content.asked, [`@trow/shop/api@${index}`])
  })

  test('a config’s digest is found in what the tag points to, and by itself where it points elsewhere', async () => {
    content.known.set('@trow/shop/api:1', { digests: [good], contains: [config] })
    cluster.pods = [podOf({ images: [['trow.trow.svc/shop/api:1', config]] })]
    assert.deepEqual(
      (await scanned(deny(good))).findings.map(({ reason }) => reason),
      ['DENY_LIST'],
    )
    content.known.set('@trow/shop/api:1', { digests: [index] })
    assert.deepEqual(
      (await scanned(deny(config))).findings.map(({ reason }) => reason),
      ['DENY_LIST'],
    )
    const rules = [{ scope: '@trow', require: { present: true } }]
    const present = setOf([policyOf('present', { mode: 'enforce', default: 'deny', rules })])
    assert.deepEqual(
      (await scanned(present)).findings.map(({ reason }) => reason),
      ['NOT_PRESENT'],
    )
  })

  test('with the registry away nothing is taken for checked', async () => {
    content.isAway = true
    cluster.pods = Array.from({ length: 100 }, (_, place) =>
      podOf({
        name: `p-${place}`,
        images: [[`trow.trow.svc/a/${place}:1`, `trow.trow.svc/a/${place}@${good}`]],
      }),
    )
    const findings = await scanned(deny(bad))
    assert.deepEqual([findings.unchecked, findings.violating], [100, 100])
    assert.equal(findings.findings[0]?.reason, 'FACT_UPSTREAM')
    assert.ok(content.asked.length < 40, `${content.asked.length} look-ups, and none was answered`)
  })

  test('an exception lets run what it names, in its namespaces', async () => {
    const image = ['ghcr.io/acme/api:1', `ghcr.io/acme/api@${good}`] as const
    cluster.pods = [podOf({ images: [image] }), podOf({ namespace: 'bank', images: [image] })]
    const spec = {
      policies: ['names'],
      images: [{ digest: good }],
      namespaces: ['bank'],
      reason: 'until Monday',
      expires: new Date(Date.now() + 3_600_000).toISOString(),
    }
    const findings = await scanned(setOf([policyOf('names', { mode: 'enforce', default: 'deny' })], [spec]))
    assert.deepEqual(brief(findings), ['shop Pod/api-1 names enforce NOT_ALLOWED 1'])
    assert.equal(findings.excepted, 1)
  })

  test('policies are judged with the pod’s namespace, at the point scan', async () => {
    cluster.pods = [podOf({ images: [['nginx:1']] }), podOf({ namespace: 'bank', images: [['nginx:1']] })]
    const policies = [
      policyOf('bank', { mode: 'enforce', default: 'deny', namespaces: { include: ['bank'] } }),
      policyOf('off', { mode: 'enforce', at: { scan: 'off' }, default: 'deny' }),
    ]
    assert.deepEqual(brief(await scanned(setOf(policies))), ['bank Pod/api-1 bank enforce NOT_ALLOWED 1'])
  })

  test('new policies are applied at once to the pods that were read', async () => {
    cluster.pods = [podOf({ images: [['ghcr.io/acme/api:1', `ghcr.io/acme/api@${bad}`]] })]
    const feed = new GivenPolicies(deny(good))
    const scan = scanOf(feed)
    scan.start()
    await until(() => scan.findings !== undefined)
    assert.equal(scan.findings?.violating, 0)
    const before = lists()
    feed.put(deny(bad))
    await until(() => scan.findings?.generation === 2)
    assert.equal(scan.findings?.violating, 1)
    assert.equal(lists(), before)
    await scan.stop()
  })

  test('pods are read again, and findings that stay are not written again', async () => {
    cluster.pods = [podOf({ images: [['ghcr.io/acme/api:1', `ghcr.io/acme/api@${bad}`]] })]
    const scan = scanOf(new GivenPolicies(deny(bad)), 20)
    const before = lists()
    scan.start()
    await until(() => lists() > before + 4)
    assert.equal(cluster.writes, 1)
    cluster.pods.push(podOf({ name: 'api-2', images: [['ghcr.io/acme/api:1', `ghcr.io/acme/api@${bad}`]] }))
    await until(() => scan.findings?.violating === 2 && cluster.writes === 2)
    await scan.stop()
    const asked = cluster.server.asked.length
    await sleep(60)
    assert.equal(cluster.server.asked.length, asked)
    scan.start()
    await until(() => cluster.server.asked.length > asked)
    await scan.stop()
  })

  test('a failed scan leaves the findings before it, is counted, and is tried again without haste', async () => {
    const faults: string[] = []
    cluster.pods = [podOf({ images: [['nginx:1']] })]
    const feed = new GivenPolicies(deny(bad))
    const log = { ...quiet, error: (message: string) => void faults.push(message) }
    const scan = scanOf(feed, 20, log)
    scan.start()
    await until(() => scan.findings !== undefined)
    cluster.fault = (path, response) => {
      if (!path.includes('/pods?')) return false
      failure(response, 403, 'pods is forbidden')
      return true
    }
    await until(() => faults.length > 0)
    await sleep(100)
    assert.deepEqual(faults, ['running pods could not be scanned'])
    assert.match(scan.metrics, /^trow_scan_failures_total 1$/m)
    assert.equal(scan.findings?.pods, 1)
    await scan.stop()
  })

  test('no right to read ReplicaSets leaves them as owners', async () => {
    cluster.pods = [podOf({ owner: ['ReplicaSet', 'api-5d9f'], images: [['nginx:1', `nginx@${bad}`]] })]
    cluster.fault = (path, response) => {
      if (!path.includes('replicasets/')) return false
      failure(response, 403, 'forbidden')
      return true
    }
    assert.deepEqual(brief(await scanned(deny(bad))), [
      'shop ReplicaSet/api-5d9f quarantine enforce DENY_LIST 1',
    ])
  })

  test('what is kept in the cluster stays below 200 kB, says what it leaves out, and is read back', async () => {
    cluster.pods = Array.from({ length: 3000 }, (_, place) =>
      podOf({
        name: `p-${place}`,
        namespace: `n-${place % 700}`,
        images: [[`ghcr.io/${'long/'.repeat(40)}${place}:1`]],
      }),
    )
    const findings = await scanned(setOf([policyOf('names', { mode: 'enforce', default: 'deny' })]))
    const text = cluster.map?.['findings.json'] ?? ''
    assert.ok(Buffer.byteLength(text) < 200_000 && Buffer.byteLength(text) > 150_000, String(text.length))
    const kept = await new RunningMap(cluster.objects, 'trow').read()
    assert.equal(kept?.violating, 3000)
    assert.equal((kept?.findings.length ?? 0) + (kept?.leftOut.findings ?? 0), 3000)
    assert.equal((kept?.namespaces.length ?? 0) + (kept?.leftOut.namespaces ?? 0), 700)
    assert.equal(kept?.owners.length, 20)
    assert.equal(findings.policies[0]?.namespaces, 700)
  })

  test('metrics name namespaces up to a bound, and sum up the others', async () => {
    cluster.pods = Array.from({ length: 450 }, (_, place) =>
      podOf({ namespace: `n-${place % 300}`, name: `p-${place}`, images: [['nginx:1']] }),
    )
    const scan = scanOf(new GivenPolicies(setOf([policyOf('names', { mode: 'enforce', default: 'deny' })])))
    scan.start()
    await until(() => scan.findings !== undefined)
    await scan.stop()
    const lines = scan.metrics.split('\n').filter((line) => line.startsWith('trow_running_violations{'))
    assert.equal(lines.length, 201)
    assert.equal(
      lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0),
      450,
    )
    assert.ok(lines.includes('trow_running_violations{namespace="n-0",policy="names"} 2'))
    assert.ok(lines.includes('trow_running_violations{namespace="",policy="names"} 100'))
    assert.match(scan.metrics, /^trow_scan_pods 450$/m)
    assert.match(scan.metrics, /^trow_scan_last_time_seconds \d{10}/m)
  })

  test('of a text that is longer than any name, only the beginning is kept', async () => {
    cluster.pods = [podOf({ images: [[`ghcr.io/${'a'.repeat(1_000_000)}`, 'b'.repeat(1_000_000)]] })]
    const [found] = (await scanned(deny(bad))).findings
    assert.equal(found?.reason, 'REF_LONG')
    const { images } = await readRunningGroups(cluster.objects, new AbortController().signal)
    assert.deepEqual(
      images.map(({ name, imageId }) => [name?.length, imageId.length]),
      [[1024, 1024]],
    )
  })

  test('10,000 pods are read and judged, in turns of the event loop', async (context) => {
    cluster.pods = Array.from({ length: 10_000 }, (_, place) => ({
      ...podOf({
        namespace: `n-${place % 200}`,
        name: `p-${place}`,
        images: [[`ghcr.io/acme/app-${place}:1`, `ghcr.io/acme/app@${place % 2 === 0 ? bad : good}`]],
      }),
      padding: 'x'.repeat(4000),
    }))
    const begun = performance.now()
    const turns = new LongestTurn()
    const findings = await scanned(deny(bad))
    const longest = turns.stop()
    assert.ok(longest < 50, `the event loop was held for ${longest} ms of processor time`)
    assert.deepEqual([findings.pods, findings.images, findings.violating], [10_000, 10_000, 5000])
    assert.equal(findings.namespaces.length + findings.leftOut.namespaces, 100)
    context.diagnostic(
      `10,000 pods of ${JSON.stringify(cluster.pods[0]).length} bytes in ${Math.round(performance.now() - begun)} ms, at most ${longest.toFixed(1)} ms of processor time in one turn, with the fake API server in the same process`,
    )
  })

  test('pods with odd fields hide no others', async () => {
    cluster.pods = [
      { metadata: { name: 'x' } },
      {
        metadata: { name: 'y', namespace: 'shop', ownerReferences: 'no' },
        spec: { containers: [{ name: 1, image: {} }] },
      },
      podOf({ images: [['nginx:1', `nginx@${bad}`]] }),
    ]
    const findings = await scanned(deny(bad))
    assert.deepEqual([findings.violating, findings.pods], [2, 2])
  })
})

async function until(isTrue: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !isTrue();) {
    assert.ok(Date.now() < end, 'it did not happen')
    await sleep(5)
  }
}
