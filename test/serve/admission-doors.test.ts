import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { containers, pod, reviewText } from '../admission/reviews.ts'
import { config, image, layer, push } from '../enforcement/images.ts'
import { eventually } from '../support/program.ts'
import { AdmissionInstall, reporter, type AdmissionProcess } from './admission-process.ts'

const podOf = (name: string, namespace = 'team'): string =>
  reviewText({ namespace, object: pod({ containers: containers(name) }) })

suite('an admission process beside a registry', () => {
  const install = new AdmissionInstall()
  let admission: AdmissionProcess

  before(async () => {
    await install.start()
    install.policy({
      mode: 'enforce',
      default: 'deny',
      rules: [
        { scope: 'ghcr.io/acme', unverified: true },
        { scope: '@trow', require: { present: true } },
      ],
    })
    admission = await install.admission(['--tenants', 'enforce'])
  })
  after(() => install[Symbol.asyncDispose]())

  test('refuses what a policy refuses, and the registry’s audit knows who wanted it, and under which id', async () => {
    const answer = await admission.review('/pods', podOf('ghcr.io/acme-evil/app:1'))
    assert.equal(answer.isAllowed, false)
    const [, id] = /trow policy explain ([\w-]+)$/.exec(answer.message) ?? []
    await eventually(async () => {
      const found = (await install.audit('admission')).find((event) => event.id === id)
      assert.equal(found?.type, 'io.trow.admission.denied.v1')
      assert.partialDeepStrictEqual(found.data, {
        decision: 'deny',
        actor: { user: 'ann', auth: 'api-server' },
        reference: 'team/Pod/web',
        requestId: id,
        policy: [{ policy: 'production', outcome: 'denied', reason: 'NOT_ALLOWED' }],
        admission: { reporter, namespace: 'team', outcome: 'denied', images: ['ghcr.io/acme-evil/app:1'] },
      })
    }, 10_000)
  })

  test('lets in what a policy takes, and records nothing of that', async () => {
    const before = (await install.audit('admission')).length
    assert.equal((await admission.review('/pods', podOf('ghcr.io/acme/app:1'))).isAllowed, true)
    assert.equal((await install.audit('admission')).length, before)
  })

  test('asks the registry for what it must know of its content', async () => {
    const absent = await admission.review('/pods', podOf('trow.example/team/app:1.0'))
    assert.match(absent.message, /NOT_PRESENT the registry has no @trow\/team\/app:1.0/)
    await push(install, 'team/app', image([config('amd64'), layer('a')]), '1.0')
    await eventually(async () => {
      const there = await admission.review('/pods', podOf('trow.example/team/app:1.0'))
      assert.equal(there.isAllowed, true, there.message)
    }, 5000)
  })

  test('refuses a pod whose account may not pull what it names, by the rules and reviews of a pull', async () => {
    const whole = image([config('amd64'), layer('b')])
    await push(install, 'team/own', whole, '1')
    await push(install, 'open/all', whole, '1')
    const allowed = async (name: string, namespace: string): Promise<boolean> =>
      (await admission.review('/pods', podOf(`trow.example/${name}`, namespace))).isAllowed
    assert.equal(await allowed('team/own:1', 'team'), true)
    assert.equal(await allowed('open/all:1', 'other'), true)
    const refused = await admission.review('/pods', podOf('trow.example/team/own:1', 'other'))
    assert.equal(refused.isAllowed, false)
    assert.match(refused.message, /system:serviceaccount:other:default may not pull team\/own {2}NOT_YOURS/)
    // A pull secret in the pod changes nothing.
    const object = pod({
      containers: containers('trow.example/team/own:1'),
      imagePullSecrets: [{ name: 'team-pusher' }],
    })
    const withSecret = await admission.review('/pods', reviewText({ namespace: 'other', object }))
    assert.equal(withSecret.isAllowed, false)
  })

  test('tells the registry who changed a policy, and a change that came past it is said to be one', async () => {
    const spec = { mode: 'audit', default: 'pass' }
    const object = (name: string): object => ({
      apiVersion: 'policy.trow.io/v1alpha1',
      kind: 'TrowPolicy',
      metadata: { name },
      spec,
    })
    const review = reviewText({
      group: 'policy.trow.io',
      kind: 'TrowPolicy',
      user: { username: 'carol', groups: ['admins'] },
      object: object('seen'),
    })
    assert.equal((await admission.review('/policies', review)).isAllowed, true)
    install.api.put(object('seen'), 'kubectl')
    install.api.put(object('unseen'), 'kubectl')
    await eventually(async () => {
      const events = await install.audit('policy-create')
      const of = (name: string): (typeof events)[number] | undefined =>
        events.find(({ data }) => data['reference'] === `TrowPolicy/${name}`)
      const [reviewed] = await install.audit('policy-review')
      assert.partialDeepStrictEqual(of('seen')?.data, {
        actor: { user: 'carol', auth: 'api-server' },
        change: { webhook: reviewed?.id, changedBy: 'field manager kubectl' },
      })
      assert.partialDeepStrictEqual(of('unseen')?.data, {
        actor: { user: 'field manager kubectl', auth: 'policy-source' },
        change: { webhook: 'not announced' },
      })
    }, 10_000)
  })

  test('needs no other right at the API server than those that an install gives it', () => {
    assert.deepEqual(install.api.refused, [])
  })

  test('opens by break-glass, which is in the audit, and closes at its end', async () => {
    const until = new Date(Date.now() + 3000).toISOString()
    install.api.put({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'break-glass', namespace: 'trow' },
      data: { until, reason: 'storage is gone' },
    })
    await eventually(async () => {
      const answer = await admission.review('/pods', podOf('docker.io/library/nginx:1'))
      assert.equal(answer.isAllowed, true, answer.message)
      assert.match(answer.warnings[0] ?? '', /storage is gone/)
    }, 3000)
    await eventually(async () => {
      assert.equal((await admission.review('/pods', podOf('docker.io/library/nginx:1'))).isAllowed, false)
    }, 10_000)
    await eventually(async () => {
      const events = await install.audit('break-glass')
      assert.match(String(events[0]?.data['reason']), /open until .*: storage is gone/)
      assert.match(String(events[1]?.data['reason']), /closed/)
    }, 10_000)
  })
})
