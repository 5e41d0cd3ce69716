import assert from 'node:assert/strict'
import { after, before, beforeEach, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { OpenClusterObjects } from '../../../src/cluster/kubernetes-objects.ts'
import type { RunningFindings } from '../../../src/scan/running-findings.ts'
import { digestOf, discovered, podOf } from '../../scan/scanned-cluster.ts'
import { checkResult } from '../../support/check-result.ts'
import { failure, reply } from '../../support/fake-api-server.ts'
import { LoginFolder } from '../../support/login-folder.ts'
import { PolicyApi } from '../../support/policy-api.ts'

const runningFindings: RunningFindings = {
  at: '2020-11-29T07:00:00.000Z',
  seconds: 1.5,
  generation: 3,
  pods: 40,
  images: 12,
  notLookedAt: 0,
  violating: 3,
  unchecked: 2,
  excepted: 1,
  policies: [{ policy: 'quarantine', mode: 'enforce', pods: 3, namespaces: 1 }],
  namespaces: [{ namespace: 'shop', policy: 'quarantine', pods: 3 }],
  owners: [
    {
      namespace: 'shop',
      owner: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'api' },
      isStatic: false,
      pods: 3,
      policies: ['quarantine'],
      reasons: ['DENY_LIST'],
    },
  ],
  findings: [],
  leftOut: { policies: 0, namespaces: 0, findings: 0 },
}

const digest = `sha256:${'a'.repeat(64)}`
const apiVersion = 'policy.trow.io/v1alpha1'

/** A cluster's policies, and a registry that says of each that it judges by it. */
suite('policies of a cluster, from the command line', () => {
  const api = new PolicyApi()
  const home = new LoginFolder()
  const end = new AbortController()
  let objects: OpenClusterObjects
  let isRegistryThere = true
  let registry: Promise<void>

  before(async () => {
    objects = await api.connect()
    home.kubeconfig(objects.server, { token: 'me' })
    registry = keepSaying()
  })
  beforeEach(() => {
    isRegistryThere = true
    api.refusal = undefined
  })
  after(async () => {
    end.abort()
    await registry
    await objects.close()
    await api.close()
    home.remove()
  })

  async function keepSaying(): Promise<void> {
    while (!end.signal.aborted) {
      await sleep(50)
      if (!isRegistryThere) continue
      for (const object of await objects.list({ apiVersion, kind: 'TrowPolicy' })) {
        const { name, uid = '', generation: observedGeneration = 0 } = object.metadata
        const condition = { status: 'True', reason: 'R', message: 'm', observedGeneration, lastTransitionTime: '2026-11-29T07:00:00Z' } // prettier-ignore
        const conditions = ['Accepted', 'Enforcing'].map((type) => ({ type, ...condition }))
        const status = { observedGeneration, conditions }
        // A test refuses writes now and then.
        await objects
          .apply(
            { apiVersion, kind: 'TrowPolicy', metadata: { name, uid }, status },
            { subresource: 'status', force: true },
          )
          .catch(() => undefined)
      }
    }
  }

  const trow = (...args: readonly string[]) => home.trow(...args, '--context', 'dev')

  test('quarantine is in force when the registry says so in the status, whether or not it tells the rest', async () => {
    const { code, stdout, stderr } = await trow('quarantine', digest, '--reason', 'CVE-1')
    assert.equal(code, 0, stderr)
    assert.match(stdout, new RegExp(`^quarantined ${digest}: in force at every door \\(generation 1\\)\n`))
    assert.match(stdout, /\nwhat it covers, and who has pulled that, is not known: /)
    const again = await trow('quarantine', digest, '--reason', 'CVE-1', '-o', 'json')
    const { coverage } = checkResult('Quarantine', again.stdout)
    assert.ok(coverage !== undefined && 'unseen' in coverage)
    const foretold = await trow('quarantine', digest, '--dry-run')
    assert.equal(foretold.code, 1)
    assert.match(foretold.stdout, /who has pulled that, is not known/)
    const written = api.get('trowpolicies', 'quarantine')?.['spec']
    assert.deepEqual(written, { mode: 'enforce', default: 'pass', deny: [{ digest, reason: 'CVE-1' }] })
    assert.match((await trow('quarantine')).stdout, new RegExp(`${digest}  CVE-1\n`))
  })

  test('status shows each object, and what the registry says', async () => {
    const { code, stdout } = await trow('policy', 'status')
    assert.equal(code, 0, stdout)
    assert.match(
      stdout,
      /^source {4}the cluster of context dev, heard 0 s ago\n\nPOLICY .*\nquarantine {2}enforce +0 +1 +in force\n$/,
    )
  })

  suite('with pods', () => {
    let pods: object[] = []
    let findings: RunningFindings | undefined
    let forbidden = ''
    before(() => {
      api.other = ({ path }, response) => {
        const resources = discovered[path]
        if (forbidden !== '' && path.includes(forbidden)) failure(response, 403, 'it is forbidden')
        else if (resources !== undefined) reply(response, 200, { resources })
        else if (path.startsWith('/api/v1/pods?'))
          reply(response, 200, { metadata: { resourceVersion: '1' }, items: pods })
        else if (path.endsWith('/replicasets/api-5d9f')) {
          const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'api', controller: true }
          const metadata = { name: 'api-5d9f', ownerReferences: [owner] }
          reply(response, 200, { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata })
        } else if (path.endsWith('/configmaps/trow-running') && findings !== undefined) {
          const data = { 'findings.json': JSON.stringify(findings) }
          reply(response, 200, {
            apiVersion: 'v1',
            kind: 'ConfigMap',
            metadata: { name: 'trow-running' },
            data,
          })
        } else return false
        return true
      }
    })
    after(() => (api.other = () => false))
    beforeEach(() => {
      pods = [
        podOf({
          name: 'api-1',
          owner: ['ReplicaSet', 'api-5d9f'],
          images: [['ghcr.io/acme/api:1', `ghcr.io/acme/api@${digest}`]],
        }),
        podOf({ name: 'web-1', images: [['nginx:1', `nginx@${digestOf('b')}`]] }),
      ]
      findings = undefined
      forbidden = ''
    })

    test('quarantine names those that run the digest, with owner and node', async () => {
      const { stdout } = await trow('quarantine', digest, '--dry-run')
      assert.match(
        stdout,
        /runs in\n {2}NAMESPACE {2}OWNER .*\n {2}shop +Deployment\/api +api-1 +node-1 +c0 +ghcr.io\/acme\/api:1\n$/,
      )
      const dry = await trow('quarantine', digest, '--dry-run', '-o', 'json')
      const { running } = checkResult('Quarantine', dry.stdout)
      assert.ok(running !== undefined && 'pods' in running)
      assert.deepEqual(
        running.pods.map(({ pod }) => pod),
        ['api-1'],
      )
      pods = []
      assert.match((await trow('quarantine', digest, '--dry-run')).stdout, /no running pod names it/)
    })

    test('who may not list them quarantines all the same, and is told', async () => {
      forbidden = '/pods'
      const { code, stdout } = await trow('quarantine', digest, '--reason', 'CVE-1')
      assert.equal(code, 0)
      assert.match(stdout, /which pods run it is not known: .*it is forbidden/)
    })

    test('status shows what the last scan has found, and whose it is', async () => {
      findings = runningFindings
      const { code, stdout } = await trow('policy', 'status')
      assert.equal(code, 0, stdout)
      assert.match(
        stdout,
        /\nrunning {3}policies refuse 3 of 40 pods: quarantine \(enforce\) 3\n {10}2 could not be checked, exceptions let 1 run\n {10}as of 2020-11-29T07:00:00Z: nothing has scanned since\n\nNAMESPACE .*\nshop +Deployment\/api +3 +quarantine +DENY_LIST\n$/,
      )
      const json = checkResult('PolicyStatus', (await trow('policy', 'status', '-o', 'json')).stdout)
      assert.deepEqual(json.running, runningFindings)
      forbidden = 'trow-running'
      assert.doesNotMatch((await trow('policy', 'status')).stdout, /running/)
    })
  })

  test('what the registry has not taken is not in force', async () => {
    isRegistryThere = false
    await sleep(100)
    api.put(JSON.stringify({ apiVersion, kind: 'TrowPolicy', metadata: { name: 'late' }, spec: { mode: 'off', default: 'pass' } })) // prettier-ignore
    const { code, stdout } = await trow('policy', 'status')
    assert.equal(code, 79)
    assert.match(
      stdout,
      /not in force as it stands there:\n {2}trowpolicies\/late: the registry has not said yet/,
    )
  })

  test('what another field manager has is refused in words', async () => {
    api.put(JSON.stringify({ apiVersion, kind: 'TrowPolicy', metadata: { name: 'theirs' }, spec: { mode: 'enforce', default: 'pass', deny: [] } }), 'argocd') // prettier-ignore
    api.refusal = (_asked, response) =>
      reply(response, 409, {
        kind: 'Status',
        apiVersion: 'v1',
        status: 'Failure',
        message: 'Apply failed with 1 conflict',
        code: 409,
        details: {
          causes: [
            { reason: 'FieldManagerConflict', message: 'conflict with "argocd"', field: '.spec.deny' },
          ],
        },
      })
    const { code, stderr } = await trow('policy', 'deny', 'quay.io', '--policy', 'theirs', '--reason', 'r')
    assert.equal(code, 1)
    assert.match(stderr, /TrowPolicy theirs is not changed: argocd has \.spec\.deny \(POLICY_OWNED\)/)
  })

  test('a policy that cannot load is not sent', async () => {
    const { code, stderr } = await trow('policy', 'deny', 'quay.io', '--policy', 'fresh', '--reason', '')
    assert.equal(code, 1)
    assert.match(stderr, /spec\.deny\[0\]\.reason.*POLICY_INVALID/s)
    assert.equal(api.get('trowpolicies', 'fresh'), undefined)
  })

  test('who may not is told which role it takes', async () => {
    api.refusal = (_asked, response) => failure(response, 403, 'trowpolicies is forbidden')
    const { code, stderr } = await trow('policy', 'deny', 'quay.io', '--policy', 'fresh', '--reason', 'r')
    assert.equal(code, 77)
    assert.match(stderr, /CLUSTER_NOT_PERMITTED.*ClusterRole trow-policy-admin/s)
  })
})
