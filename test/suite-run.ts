import { relative } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { avoidable } from './requirements.ts'

const root = new URL('..', import.meta.url).pathname

/** Milliseconds for one file. The long forms go through everything that there is. */
const fileLimit = (process.env['TROW_TEST_REPLICAS'] === 'long' ? 360 : 20) * 60_000

/** Runs test files and counts their results. */
export class SuiteRun {
  readonly #counts = { passed: 0, failed: 0, skipped: 0 }
  readonly #skips = new Map<string, string>()
  readonly #failures: string[] = []
  readonly #started = Date.now()

  /** Files by their path relative to the root of the repository. */
  async runFiles(batch: readonly string[], concurrency: number): Promise<void> {
    if (batch.length === 0) return
    const stream = run({
      files: batch.map((file) => `${root}${file}`),
      concurrency,
      timeout: fileLimit,
      forceExit: true,
    })
    stream.on('test:pass', (event) => {
      const name = `${relative(root, event.file ?? '')}: ${event.name}`
      if (event.skip === undefined) this.#counts.passed += event.details.type === 'suite' ? 0 : 1
      else {
        this.#counts.skipped++
        this.#skips.set(name, typeof event.skip === 'string' ? event.skip : 'no reason given')
      }
    })
    stream.on('test:fail', (event) => {
      const { failureType } = event.details.error as { failureType?: string }
      // A suite that fails in its own hook counts as a failure; one whose tests failed has been counted
      // already.
      if (event.details.type === 'suite' && failureType === 'subtestsFailed') return
      this.#counts.failed++
      this.#failures.push(`${relative(root, event.file ?? '')}: ${event.name}`)
    })
    const reporter = stream.compose(new spec())
    for await (const text of reporter) process.stdout.write(text as string)
  }

  /** Records a failure that belongs to no file. */
  fail(name: string): void {
    this.#counts.failed++
    this.#failures.push(name)
  }

  /** Prints the end of the run and sets the exit code. */
  report(): void {
    console.log(`\n${Math.round((Date.now() - this.#started) / 1000)} s`)
    if (this.#skips.size > 0) {
      console.log('skipped:')
      for (const [name, reason] of this.#skips) console.log(`  ${name}: ${reason}`)
    }
    const lazy =
      process.env['CI'] === 'true' ? [...this.#skips].filter(([, reason]) => reason.includes(avoidable)) : []
    for (const [name] of lazy) this.#failures.push(`${name}: skipped although this machine could have run it`)
    this.#counts.failed += lazy.length
    this.#counts.skipped -= lazy.length
    if (this.#failures.length > 0) {
      console.log('failed:')
      for (const name of this.#failures) console.log(`  ${name}`)
    }
    const { passed, failed, skipped } = this.#counts
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
    process.exitCode = failed === 0 && passed + skipped > 0 ? 0 : 1
  }
}
