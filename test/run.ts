import { globSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { installComponents } from './components.ts'
import { SuiteRun } from './suite-run.ts'
import { s3Problem } from './support/s3/choice.ts'

// `npm test`: installs what the machine allows, runs every suite, and lists the skipped ones with the reason.
// Suites that need a cluster have their own run, e2e/run.ts; so have the tutorials, `npm run test:tutorials`.

const { values } = parseArgs({ options: { unit: { type: 'boolean' }, only: { type: 'string' } } })
const root = new URL('..', import.meta.url).pathname
/** Suites that start many processes or need most of the machine run one by one, after the others. */
const heavy =
  /^test\/(tutorials|crash|clients|conformance|disk-full|package|replicas|metadata\/cache\/coherence)\b/

const files = globSync('test/**/*.test.ts', { cwd: root })
  .filter((file) => !file.startsWith('test/e2e/'))
  .filter((file) => values.only === 'tutorials' || !file.startsWith('test/tutorials/'))
  .filter((file) => values.only === undefined || file.startsWith(`test/${values.only}`))
  .filter((file) => values.unit !== true || !heavy.test(file))
  .sort()
const problem = await s3Problem(process.env)
if (problem !== undefined) {
  console.error(problem)
  process.exit(1)
}
if (values.unit !== true && (values.only === undefined || values.only === 'tutorials'))
  installComponents((line) => console.log(line))

const suites = new SuiteRun()
await suites.runFiles(
  files.filter((file) => !heavy.test(file)),
  { concurrency: 2 },
)
await suites.runFiles(
  files.filter((file) => heavy.test(file)),
  { concurrency: 1 },
)
suites.report()
