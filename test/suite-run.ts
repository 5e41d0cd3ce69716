import { relative } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { avoidable } from './requirements.ts'

const root = new URL('..', import.meta.url).pathname

/** Milliseconds for one file. The long forms go through everything that there is. */
const fileLimit = (process.env['TROW_TEST_REPLICAS'] === 'long' ? 360 : 20) * 60_000

/** So many files that fail are run once more. Where more fail, something is broken. */
const secondTries = 3

interface Failure {
  /** Relative to the root of the repository; undefined: it belongs to no file. */
  readonly file: string | undefined
  readonly name: string
  readonly reason: string
}

interface RunOptions {
  readonly concurrency: number
  /** Follows the names of tests, where the same files run in several ways. */
  readonly on?: string
  /** Comes before a file runs once more: takes away what files before it may have left. */
  readonly beforeAgain?: () => Promise<void>
}

/** What one run of files has shown. */
interface Outcome {
  passed: number
  skipped: number
  readonly failures: Failure[]
}

/** Runs test files and counts their results. */
export class SuiteRun {
  #passed = 0
  #skipped = 0
  readonly #skips = new Map<string, string>()
  readonly #failures: Failure[] = []
  /** What failed, and passed when its file was run again. */
  readonly #rare: Failure[] = []
  readonly #started = Date.now()

  /**
   * Files by their path relative to the root of the repository. A file that fails is run once more, alone: tests wait
   * for real servers, on machines that may be busy. `report` names what passed only then.
   */
  async runFiles(batch: readonly string[], { concurrency, on, beforeAgain }: RunOptions): Promise<void> {
    const { passed, skipped, failures } = await this.#run(batch, concurrency, on)
    this.#passed += passed
    this.#skipped += skipped
    const failed = Map.groupBy(failures, ({ file }) => file)
    for (const [file, own] of failed) {
      const passesAgain = async (): Promise<boolean> =>
        file !== undefined && failed.size <= secondTries && this.#passesAgain(file, beforeAgain)
      if (await passesAgain()) {
        this.#passed += own.length
        this.#rare.push(...own)
      } else this.#failures.push(...own)
    }
  }

  async #passesAgain(file: string, before: RunOptions['beforeAgain']): Promise<boolean> {
    console.log(`\n${file} failed, and runs once more`)
    await before?.()
    return (await this.#run([file], 1)).failures.length === 0
  }

  async #run(batch: readonly string[], concurrency: number, on?: string): Promise<Outcome> {
    const outcome: Outcome = { passed: 0, skipped: 0, failures: [] }
    if (batch.length === 0) return outcome
    const suffix = on === undefined ? '' : ` ${on}`
    const stream = run({
      files: batch.map((file) => `${root}${file}`),
      concurrency,
      timeout: fileLimit,
      forceExit: true,
    })
    stream.on('test:pass', (event) => {
      const name = `${relative(root, event.file ?? '')}: ${event.name}${suffix}`
      if (event.skip === undefined) outcome.passed += event.details.type === 'suite' ? 0 : 1
      else {
        outcome.skipped++
        this.#skips.set(name, typeof event.skip === 'string' ? event.skip : 'no reason given')
      }
    })
    stream.on('test:fail', (event) => {
      const { error } = event.details
      const { failureType } = error as { failureType?: string }
      // A suite that fails in its own hook counts as a failure; one whose tests failed has been counted
      // already.
      if (event.details.type === 'suite' && failureType === 'subtestsFailed') return
      const file = relative(root, event.file ?? '')
      outcome.failures.push({ file, name: event.name + suffix, reason: beginningOf(error) })
    })
    const reporter = stream.compose(new spec())
    for await (const text of reporter) process.stdout.write(text as string)
    return outcome
  }

  /** Records a failure that belongs to no file. */
  fail(name: string): void {
    this.#failures.push({ file: undefined, name, reason: '' })
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
    for (const [name] of lazy) {
      const reason = 'skipped although this machine could have run it'
      this.#failures.push({ file: undefined, name, reason })
    }
    this.#skipped -= lazy.length
    printFailures('failed at first, and passed when run once more', this.#rare)
    printFailures('failed', this.#failures)
    const failed = this.#failures.length
    console.log(`${this.#passed} passed, ${failed} failed, ${this.#skipped} skipped`)
    process.exitCode = failed === 0 && this.#passed + this.#skipped > 0 ? 0 : 1
  }
}

function printFailures(title: string, failures: readonly Failure[]): void {
  if (failures.length === 0) return
  console.log(`${title}:`)
  for (const { file, name, reason } of failures) {
    console.log(`  ${file === undefined ? '' : `${file}: `}${name}`)
    for (const line of reason.split('\n').filter((text) => text.trim() !== '')) console.log(`    ${line}`)
  }
}

/** The first lines of an error. The runner wraps it into one of its own. */
function beginningOf(error: Error): string {
  const inner = error.cause instanceof Error ? error.cause : error
  return (inner.stack ?? inner.message).split('\n').slice(0, 15).join('\n')
}
