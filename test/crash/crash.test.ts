import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { killsAtNamedPoints, randomKills } from './kills.ts'
import { loopDeviceProblem } from './loop-device.ts'
import { powerCuts } from './power-cuts.ts'

/** The short form of `npm run test:crash`. */
suite('crashes', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trow-crash-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  test('SIGKILL at random instants loses nothing that was acknowledged', async () => {
    const { losses, acknowledged } = await randomKills(join(folder, 'random'), 8)
    assert.deepEqual(losses, [])
    assert.ok(acknowledged > 10, `only ${acknowledged} acknowledged: no load`)
  })

  test('SIGKILL at each named point loses nothing', async () => {
    assert.deepEqual((await killsAtNamedPoints(join(folder, 'points'), 1)).losses, [])
  })

  test('power cuts lose nothing, and are found to when a flush is left out', async (t) => {
    const problem = await loopDeviceProblem()
    if (problem) return t.skip(problem)
    const whole = await powerCuts({ rounds: 6 })
    assert.deepEqual(whole.losses, [])
    assert.ok(whole.acknowledged > 10, `only ${whole.acknowledged} acknowledged: no load`)
    const broken = await powerCuts({ rounds: 30, without: 'file-flush' })
    assert.notEqual(broken.losses.length, 0, 'a missing flush must be seen')
  })
})
