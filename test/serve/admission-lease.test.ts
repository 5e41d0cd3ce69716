import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { containers, pod, reviewText } from '../admission/reviews.ts'
import { eventually } from '../support/program.ts'
import { AdmissionInstall, type AdmissionProcess } from './admission-process.ts'

const review = reviewText({ namespace: 'team', object: pod({ containers: containers('nginx') }) })

interface Webhook {
  readonly name: string
  readonly failurePolicy: string
}

function webhooksOf(install: AdmissionInstall): readonly Webhook[] {
  const object = install.api.get('validatingwebhookconfigurations', 'trow')
  return object?.['webhooks'] as readonly Webhook[]
}

function policies(install: AdmissionInstall): readonly string[] {
  return webhooksOf(install).map(({ failurePolicy }) => failurePolicy)
}

function setPolicies(install: AdmissionInstall, failurePolicy: string, by: string): void {
  const object = install.api.get('validatingwebhookconfigurations', 'trow')
  install.api.put(
    { ...object, webhooks: webhooksOf(install).map((each) => ({ ...each, failurePolicy })) },
    by,
  )
}

async function twoPods(): Promise<{
  readonly install: AdmissionInstall
  readonly one: AdmissionProcess
  readonly two: AdmissionProcess
}> {
  const install = await new AdmissionInstall().start()
  install.policy({ mode: 'enforce', default: 'deny' })
  const [one, two] = await Promise.all([install.admission(), install.admission()])
  if (one === undefined || two === undefined) throw new Error('there are two')
  return { install, one, two }
}

suite('two admission processes', () => {
  test('have one Lease, one certificate, and an heir; what somebody else did to the webhooks is told and undone', async () => {
    const { install, one, two } = await twoPods()
    await using _ = install
    const holders = async (): Promise<number[]> =>
      Promise.all([one, two].map((each) => each.metric('trow_admission_lease_holder')))
    await eventually(async () => assert.deepEqual(new Set(await holders()), new Set([0, 1])), 15_000)
    const made = install.api.writes.filter((line) => line.includes('secrets/trow-admission-tls'))
    assert.equal(made.length, 1)
    for (const each of [one, two]) assert.equal((await each.review('/pods', review)).status, 200)

    setPolicies(install, 'Fail', 'somebodys-operator')
    await eventually(() => {
      assert.deepEqual(policies(install), ['Ignore', 'Ignore', 'Ignore'])
      return Promise.resolve()
    }, 15_000)
    await eventually(async () => {
      const [change] = await install.audit('webhook-change')
      assert.equal(change?.data.actor.user, 'field manager somebodys-operator')
      assert.match(String(change?.data['reason']), /pods\.trow\.io failurePolicy/)
      assert.equal((await install.audit('webhook-change')).length, 1)
    }, 10_000)

    // The floor is made by the holder, and put back by the heir.
    const floor = (): object | undefined => install.api.get('validatingadmissionpolicybindings', 'trow-floor')
    const closed = (each: AdmissionProcess): Promise<number> => each.metric('trow_policy_floor_closed')
    await eventually(() => Promise.resolve(assert.ok(floor())))
    const states = (): Promise<number[]> => Promise.all([one, two].map(closed))
    await eventually(async () => assert.deepEqual(new Set(await states()), new Set([1, Number.NaN])))
    const floorWrites = install.api.writes.filter((line) => /trow-floor|trowfloors/.test(line))
    assert.equal(floorWrites.length, 3, floorWrites.join('\n'))

    const holder = (await one.metric('trow_admission_lease_holder')) === 1 ? one : two
    const heir = holder === one ? two : one
    await holder.kill()
    await eventually(async () => {
      assert.equal(await heir.metric('trow_admission_lease_holder'), 1)
    }, 40_000)
    assert.equal((await heir.review('/pods', review)).isAllowed, false)
    install.api.remove('validatingadmissionpolicybindings', 'trow-floor')
    await eventually(() => Promise.resolve(assert.ok(floor())))
    await eventually(async () => assert.equal(await closed(heir), 1))
    install.policy({ mode: 'audit', default: 'deny' })
    await eventually(() => Promise.resolve(assert.equal(floor(), undefined)))
    // All that was done is within the rights that an install gives.
    assert.deepEqual(install.api.refused, [])
  })
})
