import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { webhookEntries } from '../../src/cluster/admission-layout.ts'
import type { PolicySet } from '../../src/policy/policy-set.ts'
import { openAdmission, type AdmissionServer } from '../admission/admission-server.ts'
import { now, policy } from '../policy/fixtures.ts'
import { apiServerProblem } from '../support/api-server.ts'
import { eventually } from '../support/program.ts'
import { issue } from '../support/self-signed.ts'
import { FloorCluster } from './floor-fixture.ts'
import { byName, knownContent, tableQuestions } from './table-questions.ts'

const good = 'ghcr.io/acme/app:1'
const bad = 'evil.com/x'
const megabyte = 1024 * 1024
const pods = '/api/v1/namespaces/default/pods'

/** A pod of that many characters. Each takes one byte in the request, and six in the review. */
function pod(name: string, image: string, size: number): object {
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', uid: 'u', name: '<'.repeat(size) }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ownerReferences: [owner] },
    spec: {
      automountServiceAccountToken: false,
      containers: [{ name: 'app', image, imagePullPolicy: 'IfNotPresent' }],
    },
  }
}

suite('the reviews of a real API server, under failurePolicy Ignore', { skip: apiServerProblem() }, () => {
  let cluster: FloorCluster
  let admission: AdmissionServer
  const clock = { now }

  before(async () => {
    cluster = await FloorCluster.start()
    const tls = await issue('webhook', new Date(Date.now() + 3_600_000))
    const rules = [{ scope: 'ghcr.io/acme', unverified: true }]
    admission = await openAdmission({
      documents: [policy({ rules })],
      content: { of: () => Promise.resolve(knownContent) },
      clock,
      tls,
    })
    await cluster.objects.apply({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'trow' },
      webhooks: [
        {
          name: webhookEntries.pods.name,
          admissionReviewVersions: ['v1'],
          sideEffects: 'NoneOnDryRun',
          failurePolicy: 'Ignore',
          timeoutSeconds: webhookEntries.pods.timeoutSeconds,
          clientConfig: {
            url: `https://127.0.0.1:${admission.port}${webhookEntries.pods.path}`,
            caBundle: Buffer.from(tls.cert).toString('base64'),
          },
          rules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['pods'] },
          ],
        },
      ],
    })
    await eventually(async () => assert.match(await answer('POST', '', pod('probe', bad, 1)), /NOT_ALLOWED/))
  })
  after(async () => {
    await admission[Symbol.asyncDispose]()
    await cluster.close()
  })

  const answer = (method: 'POST' | 'PATCH', path: string, body: object): Promise<string> =>
    cluster.door.send(method, `${pods}${path}?dryRun=All`, body)

  test('a pod of 3 MiB that is made, and one that takes the place of the largest that etcd keeps', async (context) => {
    const most = 3 * megabyte - 2000
    for (const [what, ask] of [
      ['made', () => answer('POST', '', pod('large', bad, most))],
      ['changed', () => answer('PATCH', '/kept', pod('kept', bad, most))],
    ] as const) {
      if (what === 'changed')
        assert.equal(await cluster.door.send('POST', pods, pod('kept', good, 1.3 * megabyte)), 'allow')
      const begun = performance.now()
      const message = await ask()
      context.diagnostic(`${what}: ${Math.round(performance.now() - begun)} ms, ${message.split('\n')[0]}`)
      // The pod is judged, or refused for lack of time. It is never admitted.
      assert.match(message, /admission webhook "pods\.trow\.io" denied the request/)
    }
    assert.match(await answer('POST', '', pod('small', bad, 1)), /NOT_ALLOWED/)
    assert.equal(await answer('POST', '', pod('small', good, 1)), 'allow')
  })

  test('every question of the tables is answered through the webhook as the judge does', async (context) => {
    let [rows, refused, admitted] = [0, 0, 0]
    let inForce: PolicySet | undefined
    // The time of the judge does not go back.
    for (const question of tableQuestions().toSorted((one, other) => one.now - other.now)) {
      const { set, namespace, name } = question
      if (set !== inForce) admission.use(set)
      inForce = set
      clock.now = question.now
      const expected = byName(question)
      const said = await cluster.door.ask({ containers: [name] }, namespace)
      rows++
      if (said !== 'allow') refused++
      else if (expected !== 'allow') admitted++
      assert.equal(said === 'allow', expected === 'allow', `${name} in ${namespace}: ${expected}, ${said}`)
    }
    context.diagnostic(
      `rows ${rows}, refused through the webhook ${refused}, admitted although the judge refuses (${admitted})`,
    )
    assert.ok(rows > 400 && refused > 200, `${rows} ${refused}`)
  })

  test('more than an API server takes does not reach the webhook', async () => {
    await assert.rejects(answer('POST', '', pod('larger', bad, 3 * megabyte + 1)), { status: 413 })
  })
})
