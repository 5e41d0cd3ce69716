import { globSync } from 'node:fs'
import { relative } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { parseArgs } from 'node:util'
import { installComponents } from './components.ts'
import { avoidable } from './requirements.ts'

// `npm test`: brings in what the machine allows, runs every suite, names what was skipped and why.

const { values } = parseArgs({ options: { unit: { type: 'boolean' }, only: { type: 'string' } } })
const root = new URL('..', import.meta.url).pathname
/** Suites that start many processes or need much of the machine run by themselves, after the others. */
const heavy = /^test\/(crash|clients|coherence|conformance|disk-full|package)\//

const files = globSync('test/**/*.test.ts', { cwd: root })
  .filter((file) => values.only === undefined || file.startsWith(`test/${values.only}`))
  .filter((file) => values.unit !== true || !heavy.test(file))
  .sort()
if (values.unit !== true && values.only === undefined) installComponents((line) => console.log(line))

const counts = { passed: 0, failed: 0, skipped: 0 }
const skips = new Map<string, string>()
const failures: string[] = []
const started = Date.now()

await runFiles(
  files.filter((file) => !heavy.test(file)),
  2,
)
await runFiles(
  files.filter((file) => heavy.test(file)),
  1,
)
report()

async function runFiles(batch: readonly string[], concurrency: number): Promise<void> {
  if (batch.length === 0) return
  const stream = run({
    files: batch.map((file) => `${root}${file}`),
    concurrency,
    timeout: 20 * 60_000,
    forceExit: true,
  })
  stream.on('test:pass', (event) => {
    const name = `${relative(root, event.file ?? '')}: ${event.name}`
    if (event.skip === undefined) counts.passed += event.details.type === 'suite' ? 0 : 1
    else {
      counts.skipped++
      skips.set(name, typeof event.skip === 'string' ? event.skip : 'no reason given')
    }
  })
  stream.on('test:fail', (event) => {
    const { failureType } = event.details.error as { failureType?: string }
    // A suite that fails by itself, in a hook, fails; one whose tests failed has been counted.
    if (event.details.type === 'suite' && failureType === 'subtestsFailed') return
    counts.failed++
    failures.push(`${relative(root, event.file ?? '')}: ${event.name}`)
  })
  const reporter = stream.compose(new spec())
  for await (const text of reporter) process.stdout.write(text as string)
}

function report(): void {
  console.log(`\n${Math.round((Date.now() - started) / 1000)} s`)
  if (skips.size > 0) {
    console.log('skipped:')
    for (const [name, reason] of skips) console.log(`  ${name}: ${reason}`)
  }
  const lazy =
    process.env['CI'] === 'true' ? [...skips].filter(([, reason]) => reason.includes(avoidable)) : []
  for (const [name] of lazy) failures.push(`${name}: skipped although this machine could have run it`)
  counts.failed += lazy.length
  counts.skipped -= lazy.length
  if (failures.length > 0) {
    console.log('failed:')
    for (const name of failures) console.log(`  ${name}`)
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1
}
