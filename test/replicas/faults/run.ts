import { parseArgs } from 'node:util'
import { runFaults } from './campaign.ts'
import { tableOf } from './table.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    lanes: { type: 'string', default: '6' },
    only: { type: 'string', multiple: true },
  },
})
const seed = Number(values.seed)
console.log(`seed ${seed}`)
const run = await runFaults({
  seconds: Number(values.minutes) * 60,
  seed,
  lanes: Number(values.lanes),
  ...(values.only && { only: values.only }),
  report: console.log,
})
console.log(tableOf(run, seed))
console.log(run.losses.length === 0 ? '1 passed, 0 failed' : '0 passed, 1 failed')
process.exitCode = run.losses.length === 0 ? 0 : 1
