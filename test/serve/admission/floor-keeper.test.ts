import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import type { KubeObject } from '../../../src/cluster/cluster-objects.ts'
import { floorReferences } from '../../../src/policy/floor/floor-objects.ts'
import { FloorKeeper } from '../../../src/serve/admission/floor-keeper.ts'
import type { FloorStatus } from '../../../src/serve/admission/floor-status.ts'
import { exception, makePolicies, now as start, policy } from '../../policy/fixtures.ts'
import { FakeObjects } from '../../support/fake-objects.ts'
import { eventually } from '../../support/program.ts'

const enforcing = makePolicies([policy({ rules: [{ scope: 'ghcr.io', unverified: true }] })])
const auditing = makePolicies([policy({ mode: 'audit' })])
const binding = 'ValidatingAdmissionPolicyBinding trow-floor'
const breakGlass = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'trow', name: 'break-glass' }

class KeptFloor {
  readonly objects = new FakeObjects()
  time = start
  isHolder = true
  status: FloorStatus | undefined
  readonly keeper: FloorKeeper

  constructor(context: TestContext) {
    this.keeper = new FloorKeeper({
      objects: this.objects,
      breakGlass: {
        namespace: 'trow',
        name: 'break-glass',
        read: (data, now) => {
          const until = Date.parse(data?.['until'] ?? '')
          return until > now ? { until } : undefined
        },
      },
      excluded: ['trow'],
      isHolder: () => this.isHolder,
      now: () => this.time,
      monotonic: () => performance.now(),
      onStatus: (status) => (this.status = status),
      log: { debug() {}, info() {}, warn() {}, error() {} },
    })
    context.after(() => this.keeper.close())
  }

  run(): this {
    void this.keeper.run()
    return this
  }

  open(until: number): void {
    const { name, namespace } = breakGlass
    const metadata = { name, namespace, uid: 'one' }
    this.objects.put({
      ...breakGlass,
      metadata,
      data: { until: new Date(until).toISOString(), reason: 'fire' },
    })
  }

  spec(place: keyof typeof floorReferences): Readonly<Record<string, unknown>> | undefined {
    const { kind, name } = floorReferences[place]
    const found = this.objects.objects.find((each) => each.kind === kind && each.metadata.name === name)
    return found?.['spec'] as Readonly<Record<string, unknown>> | undefined
  }

  async until(check: () => boolean): Promise<void> {
    await eventually(() => Promise.resolve(assert.ok(check(), JSON.stringify(this.status))), 5000)
  }
}

suite('keeper of the floor', () => {
  test('makes parameters, policy and binding in this order, and says what is in force since when', async (context) => {
    const floor = new KeptFloor(context).run()
    floor.keeper.put({ ...enforcing, generation: 3, hash: 'sha256:3' })
    await floor.until(() => floor.status?.state === 'closed')
    assert.deepEqual(floor.objects.writes, [
      'apply TrowFloor trow',
      'apply ValidatingAdmissionPolicy trow-floor',
      `apply ${binding}`,
    ])
    const content = { generation: 3, since: start, policies: ['p'], exceptions: 0 }
    assert.deepEqual(floor.status, { state: 'closed', inForce: content, openUntil: undefined, problems: [] })
  })

  test('binds nothing where no policy enforces, and takes the binding away when the last stops', async (context) => {
    const floor = new KeptFloor(context).run()
    floor.keeper.put({ ...auditing, generation: 1, hash: 'sha256:1' })
    await floor.until(() => floor.status?.state === 'idle')
    assert.equal(floor.spec('binding'), undefined)
    floor.keeper.put({ ...enforcing, generation: 2, hash: 'sha256:2' })
    await floor.until(() => floor.spec('binding') !== undefined)
    floor.keeper.put({ ...auditing, generation: 3, hash: 'sha256:3' })
    await floor.until(() => floor.spec('binding') === undefined)
  })

  test('notes the policies that it is made of, and keeps the time of what they do not change', async (context) => {
    const floor = new KeptFloor(context).run()
    const noted = (): unknown =>
      floor.objects.objects.find(({ kind }) => kind === 'TrowFloor')?.metadata.annotations
    const since = new Date(start).toISOString()
    floor.keeper.put({ ...enforcing, generation: 1, hash: 'sha256:1' })
    await floor.until(() => floor.status?.state === 'closed')
    assert.deepEqual(noted(), { 'policy.trow.io/since': since, 'policy.trow.io/hash': 'sha256:1' })
    floor.time += 60_000
    floor.keeper.put({ ...enforcing, generation: 2, hash: 'sha256:2' })
    await floor.until(() => floor.status?.inForce?.generation === 2)
    assert.deepEqual(noted(), { 'policy.trow.io/since': since, 'policy.trow.io/hash': 'sha256:2' })
    assert.equal(floor.status?.inForce?.since, start)
  })

  test('puts back what others delete or change, also what they only add', async (context) => {
    const floor = new KeptFloor(context).run()
    floor.keeper.put({ ...enforcing, generation: 1, hash: 'sha256:1' })
    await floor.until(() => floor.status?.state === 'closed')
    const before = Object.fromEntries(
      ['parameters', 'policy', 'binding'].map((each) => [each, floor.spec(each as 'policy')]),
    )
    for (const place of ['parameters', 'policy', 'binding'] as const) {
      await floor.objects.delete(floorReferences[place])
      await floor.until(() => floor.spec(place) !== undefined)
      await floor.objects.patch(floorReferences[place], {
        spec: { matchConditions: [{ name: 'never', expression: 'false' }] },
      })
      await floor.until(() => floor.spec(place)?.['matchConditions'] === undefined)
      assert.deepEqual(floor.spec(place), before[place])
    }
  })

  test('leaves out an exception from its end on', async (context) => {
    const floor = new KeptFloor(context).run()
    const set = makePolicies([policy({}), exception({ images: [{ scope: 'ghcr.io' }] })])
    floor.keeper.put({ ...set, generation: 1, hash: 'sha256:1' })
    await floor.until(() => floor.status?.inForce?.exceptions === 1)
    floor.time = Date.parse('2026-12-01T00:00:00Z')
    await floor.until(() => floor.status?.inForce?.exceptions === 0)
    assert.deepEqual(floor.spec('parameters')?.['exceptions'], {})
    assert.equal(floor.status?.inForce?.since, floor.time)
  })

  test('break-glass takes the binding away until its end, and is then taken away itself', async (context) => {
    const floor = new KeptFloor(context).run()
    floor.keeper.put({ ...enforcing, generation: 1, hash: 'sha256:1' })
    await floor.until(() => floor.status?.state === 'closed')
    floor.open(start + 60_000)
    await floor.until(() => floor.status?.state === 'open')
    assert.equal(floor.spec('binding'), undefined)
    assert.equal(floor.status?.openUntil, start + 60_000)
    floor.keeper.put({ ...enforcing, generation: 2, hash: 'sha256:2' })
    await floor.until(() => floor.status?.inForce?.generation === 2)
    assert.equal(floor.spec('binding'), undefined)
    floor.time = start + 60_000
    await floor.until(() => floor.status?.state === 'closed' && floor.spec('binding') !== undefined)
    await floor.until(() => !floor.objects.all.includes('ConfigMap trow/break-glass'))
  })

  test('coming back before the end of break-glass it does not close', async (context) => {
    const floor = new KeptFloor(context)
    floor.open(start + 60_000)
    floor.keeper.put({ ...enforcing, generation: 1, hash: 'sha256:1' })
    floor.run()
    await floor.until(() => floor.status?.state === 'open')
    assert.ok(!floor.objects.writes.includes(`apply ${binding}`))
  })

  test('writes nothing while another process keeps the floor', async (context) => {
    const floor = new KeptFloor(context)
    floor.isHolder = false
    floor.run()
    floor.keeper.put({ ...enforcing, generation: 1, hash: 'sha256:1' })
    await new Promise((resolve) => setTimeout(resolve, 600))
    assert.deepEqual(floor.objects.writes, [])
    floor.isHolder = true
    await floor.until(() => floor.status?.state === 'closed')
  })

  test('a restart writes nothing that stands there already, and keeps its time', async (context) => {
    const floor = new KeptFloor(context).run()
    floor.keeper.put({ ...enforcing, generation: 1, hash: 'sha256:1' })
    await floor.until(() => floor.status?.state === 'closed')
    floor.keeper.close()
    const again = new KeptFloor(context)
    again.objects.put(...floor.objects.objects)
    again.time = start + 1000
    again.run()
    again.keeper.put({ ...enforcing, generation: 7, hash: 'sha256:1' })
    await again.until(() => again.status?.state === 'closed')
    assert.deepEqual(again.objects.writes, [])
    assert.equal(again.status?.inForce?.since, start)
  })

  test('policies that do not fit leave the floor as it was, and are told in words', async (context) => {
    const floor = new KeptFloor(context).run()
    floor.keeper.put({ ...enforcing, generation: 1, hash: 'sha256:1' })
    await floor.until(() => floor.status?.state === 'closed')
    const before = floor.spec('parameters')
    const many = Array.from({ length: 51 }, (_, place) => policy({}, `p${place}`))
    floor.keeper.put({ ...makePolicies(many), generation: 2, hash: 'sha256:2' })
    await floor.until(() => floor.status?.problems.length === 1)
    assert.match(floor.status?.problems[0] ?? '', /51 policies judge at admission, and the floor takes 50/)
    assert.deepEqual(floor.spec('parameters'), before)
    assert.equal(floor.status?.inForce?.generation, 1)
    floor.keeper.put({ ...enforcing, generation: 3, hash: 'sha256:3' })
    await floor.until(() => floor.status?.problems.length === 0)
  })

  test('tries again what failed, and says why it fails', async (context) => {
    const floor = new KeptFloor(context)
    floor.objects.fault = (verb) => {
      if (verb === 'apply') throw new Error('the API server is away')
    }
    floor.run()
    floor.keeper.put({ ...enforcing, generation: 1, hash: 'sha256:1' })
    await floor.until(
      () => floor.status?.problems[0] === 'the floor could not be written: the API server is away',
    )
    floor.objects.fault = () => {}
    await floor.until(() => floor.status?.state === 'closed' && floor.status.problems.length === 0)
  })

  test('is taken away with the binding first', async (context) => {
    const floor = new KeptFloor(context).run()
    floor.keeper.put({ ...enforcing, generation: 1, hash: 'sha256:1' })
    await floor.until(() => floor.status?.state === 'closed')
    floor.objects.writes.length = 0
    await floor.keeper.remove()
    assert.deepEqual(floor.objects.writes, [
      `delete ${binding}`,
      'delete ValidatingAdmissionPolicy trow-floor',
      'delete TrowFloor trow',
    ])
    assert.deepEqual(floor.objects.objects satisfies KubeObject[], [])
  })
})
