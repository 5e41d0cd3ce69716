import { globSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { installComponents } from './components.ts'
import { SuiteRun } from './suite-run.ts'

// `npm test`: brings in what the machine allows, runs every suite, names what was skipped and why. Those
// that need a cluster have a run of their own, e2e/run.ts.

const { values } = parseArgs({ options: { unit: { type: 'boolean' }, only: { type: 'string' } } })
const root = new URL('..', import.meta.url).pathname
/** Suites that start many processes or need much of the machine run by themselves, after the others. */
const heavy = /^test\/(crash|clients|conformance|disk-full|package|metadata\/cache\/coherence)\b/

const files = globSync('test/**/*.test.ts', { cwd: root })
  .filter((file) => !file.startsWith('test/e2e/'))
  .filter((file) => values.only === undefined || file.startsWith(`test/${values.only}`))
  .filter((file) => values.unit !== true || !heavy.test(file))
  .sort()
if (values.unit !== true && values.only === undefined) installComponents((line) => console.log(line))

const suites = new SuiteRun()
await suites.runFiles(
  files.filter((file) => !heavy.test(file)),
  2,
)
await suites.runFiles(
  files.filter((file) => heavy.test(file)),
  1,
)
suites.report()
