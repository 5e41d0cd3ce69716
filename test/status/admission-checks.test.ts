import assert from 'node:assert/strict'
import { beforeEach, suite, test } from 'node:test'
import { isHealthy } from '../../src/cli/status/print-status.ts'
import { hashOfObjects } from '../../src/policy-store/policies-hash.ts'
import type { Status } from '../../src/status/status.ts'
import type { FakeObjects } from '../support/fake-objects.ts'
import { configMap, labelled, linesOf, openInstalled, ready } from './installed-cluster.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const webhooksReference = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
  name: 'trow',
}

suite('admission in the status', () => {
  let objects: FakeObjects
  let now: number
  let look: () => Promise<Status>
  const judging = (more: object = {}): object =>
    configMap('trow-install', 'trow', {
      version: '0.1.0',
      'settings.json': JSON.stringify({ admission: true, ...more }),
    })
  const admissionPod = (index: number, node: string, status: object = ready): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `trow-admission-${index}`, namespace: 'trow', labels: labelled('admission') },
    spec: { nodeName: node },
    status,
  })
  const webhooks = (
    failurePolicy: string,
    { caBundle = base64('CA'), managedFields = [] as object[] } = {},
  ): object => ({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'trow', managedFields },
    webhooks: [
      {
        name: 'pods.trow.io',
        failurePolicy,
        clientConfig: caBundle === '' ? {} : { caBundle },
        namespaceSelector: {
          matchExpressions: [
            { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'trow'] },
          ],
        },
      },
    ],
  })
  const hashNow = (): string =>
    hashOfObjects(
      objects.objects.filter(({ kind }) => /^Trow(Policy|Exception)$/.test(kind)),
      now,
    )
  const floorObjects = (enforcing: readonly string[], hash = hashNow()): object[] => [
    {
      apiVersion: 'policy.trow.io/v1alpha1',
      kind: 'TrowFloor',
      metadata: {
        name: 'trow',
        annotations: { 'policy.trow.io/since': '2026-11-29T10:00:00.000Z', 'policy.trow.io/hash': hash },
      },
      spec: { noPolicy: 'allow', policies: enforcing.map((name) => ({ name, enforce: true })) },
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: 'trow-floor' },
    },
  ]
  const floorBinding = (managedFields: readonly object[] = []): object => ({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: 'trow-floor', managedFields },
  })
  const lines = (status: Status): string[] => linesOf(status, 'admission')
  beforeEach(async () => {
    const installed = await openInstalled()
    ;({ objects, now } = installed)
    look = () => installed.look()
    objects.put(
      judging(),
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'trow-admission', namespace: 'trow' },
      },
      admissionPod(0, 'n1'),
      admissionPod(1, 'n2'),
      webhooks('Ignore'),
      configMap('trow-admission', 'trow', { failurePolicy: 'Ignore' }),
      ...floorObjects([]),
    )
  })

  test('is none of an install that does not know it, and named where it is off', async () => {
    objects.put(configMap('trow-install', 'trow', { version: '0.1.0', 'settings.json': '{}' }))
    assert.deepEqual(lines(await look()), [])
    objects.put(judging({ admission: false }))
    const off = 'pods are not judged when they are made (--admission off)'
    assert.deepEqual(lines(await look()), [`${off}|the webhooks are still there, and ask pods that are not`])
    await objects.delete(webhooksReference)
    assert.deepEqual(lines(await look()), [`${off}|`])
  })

  test('says what is ready and where, what is in force, and what is excluded', async () => {
    const status = await look()
    assert.deepEqual(lines(status), [
      'two admission pods are ready|',
      'the admission pods run on different nodes|',
      'the API server asks them about pods|',
      'failurePolicy is Ignore, row "webhook Ignore": while trow is down nothing is judged|',
      'no pod is judged in kube-system, trow|',
      'the webhook configuration is as trow has written it|',
      'the floor in the API server refuses nothing: no policy enforces at admission|',
      'nodes pull from trow, row "nodes pull from trow": images of this registry are judged again at the pull, also those of static pods|',
    ])
    assert.ok(isHealthy(status))
  })

  test('on one node is a warning where there are two, and said where there is one', async () => {
    objects.put(admissionPod(1, 'n1'))
    assert.match(lines(await look())[1] ?? '', /different nodes\|all of them run on n1/)
    await objects.delete({ apiVersion: 'v1', kind: 'Node', name: 'n2' })
    assert.match(lines(await look())[1] ?? '', /all run on node n1, the only one.*\|$/)
  })

  test('with one pod is a warning, without any and without webhooks a fault', async () => {
    objects.put(admissionPod(1, 'n2', { phase: 'Pending' }))
    const one = await look()
    assert.match(lines(one)[0] ?? '', /\|1 of them; pod trow-admission-1/)
    assert.ok(isHealthy(one))
    objects.put(admissionPod(0, 'n1', { phase: 'Pending' }))
    assert.ok(!isHealthy(await look()))
    objects.put(admissionPod(0, 'n1'), webhooks('Ignore', { caBundle: '' }))
    assert.match(lines(await look())[1] ?? '', /have not written their CA into pods\.trow\.io/)
    await objects.delete(webhooksReference)
    const missing = await look()
    assert.match(lines(missing)[1] ?? '', /ValidatingWebhookConfiguration trow is missing: nobody judges/)
    assert.ok(!isHealthy(missing))
    await objects.delete({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      name: 'trow-admission',
      namespace: 'trow',
    })
    assert.match(lines(await look())[0] ?? '', /Deployment trow-admission is missing/)
  })

  test('names the row of the table, and a wish for Fail that is not in force', async () => {
    objects.put(configMap('trow-admission', 'trow', { failurePolicy: 'Fail' }))
    assert.match(lines(await look())[3] ?? '', /Ignore.*\|Fail is wanted, and what it needs is missing/)
    objects.put(webhooks('Fail'))
    const closed = lines(await look())
    assert.match(closed[3] ?? '', /^failurePolicy is Fail, row "webhook Fail".*\|$/)
    assert.match(closed[8] ?? '', /to open it: kubectl -n trow create configmap break-glass --from-lit/)
    objects.put(webhooks('Ignore'), floorBinding())
    assert.match(lines(await look())[3] ?? '', /row "floor \+ webhook Ignore"/)
  })

  test('names who has changed the webhooks, and when', async () => {
    const time = '2026-11-24T12:00:00Z'
    const fieldsV1 = { 'f:webhooks': { 'k:{"name":"pods.trow.io"}': { 'f:failurePolicy': {} } } }
    const managedFields = [{ manager: 'kubectl-edit', operation: 'Update', time, fieldsV1 }]
    objects.put(webhooks('Ignore', { managedFields }))
    assert.match(
      lines(await look())[5] ?? '',
      /\|kubectl-edit has changed it at 2026-11-24T12:00:00\.000Z: pods\.trow\.io failurePolicy/,
    )
  })

  test('says which floor there is, whether it is that of the policies, and who else has written it', async () => {
    objects.put(...floorObjects(['production']), floorBinding())
    assert.equal(
      lines(await look())[6],
      'the floor in the API server refuses names while trow is down: by production, in step with them, since 2026-11-29T10:00:00.000Z|',
    )
    objects.put(...floorObjects(['production'], 'sha256:of-others'))
    assert.match(
      lines(await look())[6] ?? '',
      /\|it is not that of the policies: it was made at 2026-11-29T10:00:00\.000Z, of other ones$/,
    )
    const fieldsV1 = { 'f:spec': { 'f:validationActions': {} } }
    const time = '2026-11-24T12:00:00Z'
    objects.put(
      ...floorObjects(['production']),
      floorBinding([
        { manager: 'trow-admission', time, fieldsV1 },
        { manager: 'kubectl-edit', time, fieldsV1 },
      ]),
    )
    assert.equal(
      lines(await look())[7],
      'the floor is as trow has written it|kubectl-edit has written ValidatingAdmissionPolicyBinding trow-floor at 2026-11-24T12:00:00.000Z',
    )
  })

  test('names what is missing of the floor, and what comes of it', async () => {
    objects.put(...floorObjects(['production']))
    const reference = (kind: string, apiVersion: string, name: string) => ({ kind, apiVersion, name })
    const registration = 'admissionregistration.k8s.io/v1'
    const says = async (pattern: RegExp): Promise<void> => {
      const status = await look()
      assert.match(lines(status)[6] ?? '', pattern)
      assert.ok(!isHealthy(status))
    }
    await says(/\|ValidatingAdmissionPolicyBinding trow-floor is missing: the floor is open$/)
    objects.put(floorBinding())
    await objects.delete(reference('ValidatingAdmissionPolicy', registration, 'trow-floor'))
    await says(/\|ValidatingAdmissionPolicy trow-floor is missing: the floor is open$/)
    objects.put(...floorObjects([]).slice(1))
    await objects.delete(reference('TrowFloor', 'policy.trow.io/v1alpha1', 'trow'))
    await says(/\|TrowFloor trow is missing: every pod outside of the excluded namespaces is refused$/)
  })

  test('says until when break-glass is open, and not of one that is over', async () => {
    const open = (until: number): object =>
      configMap('break-glass', 'trow', { until: new Date(until).toISOString(), reason: 'node pool' })
    objects.put(open(now - 1000), configMap('trow-admission', 'trow', { failurePolicy: 'Fail' }))
    assert.equal(lines(await look()).length, 8)
    objects.put(open(now + 60_000))
    const checks = lines(await look())
    assert.match(checks[3] ?? '', /\|$/)
    assert.match(checks[6] ?? '', /the floor in the API server is open by break-glass\|$/)
    assert.match(checks[8] ?? '', /break-glass is open until .*: node pool$/)
  })
})
