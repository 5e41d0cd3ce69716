import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { FailureDelays } from '../../src/access/failures.ts'
import { grantsProblem, makeRobot, robotNameProblem, Robots, type Robot } from '../../src/access/robots.ts'

const day = 24 * 3_600_000

suite('robots', () => {
  function open() {
    const state = { now: 1_000_000, looked: 0 }
    const rows = new Map<string, Robot>()
    const robots = new Robots({
      store: {
        findRobot: (name) => {
          state.looked++
          return Promise.resolve(rows.get(name))
        },
      },
      delays: new FailureDelays({ now: () => state.now }),
      now: () => state.now,
    })
    const add = (expiresAt?: number): { robot: Robot; secret: string } => {
      const made = makeRobot(
        {
          name: 'ci',
          description: undefined,
          grants: [{ repositories: ['team/**'], actions: ['pull'] }],
          expiresAt,
        },
        { now: state.now, random: randomBytes(40) },
      )
      rows.set('ci', made.robot)
      return made
    }
    return { state, rows, robots, add }
  }

  test('the secret is random, found by its form, and not kept', () => {
    const { add } = open()
    const { robot, secret } = add()
    assert.match(secret, /^trow_[\w-]{43}$/)
    assert.ok(!JSON.stringify(robot).includes(secret.slice(5)))
    assert.notEqual(add().secret, secret)
  })

  test('name and secret make the robot with its scope', async () => {
    const { add, robots, state } = open()
    const { robot, secret } = add()
    const answer = await robots.verify('robot+ci', secret, '10.0.0.1')
    assert.ok(answer.ok)
    assert.deepEqual(answer.principal, {
      kind: 'robot',
      name: 'robot+ci',
      groups: [],
      reviewable: false,
      credentialId: robot.credentialId,
      scope: [{ repositories: ['team/**'], actions: ['pull'] }],
    })
    assert.equal(answer.until, state.now + 7000)
  })

  test('a wrong secret, an unknown robot and a name without its prefix are one answer', async () => {
    const { add, robots } = open()
    const { secret } = add()
    const other = `trow_${randomBytes(32).toString('base64url')}`
    const answers = await Promise.all([
      robots.verify('robot+ci', other, '10.0.0.1'),
      robots.verify('robot+ci', 'guess', '10.0.0.2'),
      robots.verify('robot+ci', '', '10.0.0.3'),
      robots.verify('robot+other', secret, '10.0.0.4'),
      robots.verify('ci', secret, '10.0.0.5'),
    ])
    for (const answer of answers) {
      assert.ok(!answer.ok && answer.kind === 'refused')
      assert.equal(answer.reason, 'the robot is not known or its secret is wrong')
    }
  })

  test('who guesses must wait, and the right secret passes all the same', async () => {
    const { add, robots } = open()
    const { secret } = add()
    const kinds: string[] = []
    for (let n = 0; n < 6; n++) {
      const answer = await robots.verify('robot+ci', `guess${n}`, '10.0.0.1')
      kinds.push(answer.ok ? 'ok' : answer.kind)
    }
    assert.deepEqual(kinds, ['refused', 'refused', 'refused', 'refused', 'throttled', 'throttled'])
    assert.ok((await robots.verify('robot+ci', secret, '10.0.0.1')).ok)
  })

  test('it ends when it says, no answer is kept longer, and a revoked one is refused', async () => {
    const { add, robots, state, rows } = open()
    const { secret } = add(state.now + day)
    state.now += day - 5000
    const last = await robots.verify('robot+ci', secret, '10.0.0.1')
    assert.ok(last.ok)
    assert.equal(last.until, state.now + 5000)
    assert.equal(last.principal.expiresAt, state.now + 5000)
    state.now += 5000
    const late = await robots.verify('robot+ci', secret, '10.0.0.1')
    assert.ok(!late.ok)
    assert.match(late.reason, /robot\+ci expired on 1970/)
    assert.equal(await robots.find('robot+ci'), undefined)
    const next = add()
    assert.equal((await robots.find('robot+ci'))?.credentialId, next.robot.credentialId)
    rows.clear()
    assert.ok(!(await robots.verify('robot+ci', next.secret, '10.0.0.1')).ok)
  })

  test('names and grants that cannot be are said so', () => {
    for (const name of ['ci', 'build-1', 'a.b_c']) assert.equal(robotNameProblem(name), undefined)
    for (const name of ['', 'CI', 'a:b', 'robot+ci', 'a b', '-a', 'x'.repeat(65)])
      assert.notEqual(robotNameProblem(name), undefined, name)
    assert.equal(grantsProblem([{ repositories: ['team/**'], actions: ['pull'] }]), undefined)
    assert.match(grantsProblem([]) ?? '', /at least one/)
    assert.match(grantsProblem([{ repositories: ['A'], actions: ['pull'] }]) ?? '', /matches nothing/)
    assert.match(grantsProblem([{ repositories: ['a'], actions: ['write' as never] }]) ?? '', /"write"/)
  })
})
