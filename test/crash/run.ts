import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { CampaignResult } from './campaign.ts'
import { killsAtNamedPoints, randomKills } from './kills.ts'
import { loopDeviceProblem } from './loop-device.ts'
import { powerCuts, type Flush } from './power-cuts.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    points: { type: 'string', default: '10' },
    'power-cuts': { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
  },
})
const seed = Number(values.seed)
console.log(`seed ${seed}`)
let failed = 0
let passed = 0

async function campaign(
  name: string,
  run: () => Promise<CampaignResult>,
  expectLosses = false,
): Promise<void> {
  const started = Date.now()
  const { crashes, acknowledged, reads, refused, losses } = await run()
  const seconds = Math.round((Date.now() - started) / 1000)
  console.log(
    `${name}: ${crashes} crashes, ${acknowledged} acknowledged, ${reads} checked reads, ${refused} refused, ${losses.length} losses, ${seconds} s`,
  )
  const good = expectLosses ? losses.length > 0 : losses.length === 0
  if (good) passed++
  else failed++
  if (!good)
    console.log(
      expectLosses ? '  expected to lose something, and lost nothing' : losses.slice(0, 20).join('\n  '),
    )
  else if (expectLosses) console.log(`  as expected: ${losses[0]}`)
}

async function inFolder(run: (data: string) => Promise<CampaignResult>): Promise<CampaignResult> {
  const folder = await mkdtemp(join(tmpdir(), 'trow-crash-'))
  try {
    return await run(join(folder, 'data'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const kills = Number(values.kills)
for (let done = 0; done < kills; done += 100) {
  const rounds = Math.min(100, kills - done)
  await campaign(`random kills ${done + 1}-${done + rounds}`, () =>
    inFolder((data) => randomKills(data, rounds, console.log, seed + done)),
  )
}
await campaign('kills at named points', () =>
  inFolder((data) => killsAtNamedPoints(data, Number(values.points), console.log, seed)),
)
const problem = await loopDeviceProblem()
if (problem) console.log(`power cuts skipped: ${problem}`)
else {
  const cuts = Number(values['power-cuts'])
  await campaign('power cuts', () => powerCuts({ rounds: cuts, seed, report: console.log }))
  for (const without of ['commit-flush', 'file-flush', 'folder-flush'] satisfies Flush[]) {
    await campaign(`power cuts without the ${without}`, () => powerCuts({ rounds: 60, without, seed }), true)
  }
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
