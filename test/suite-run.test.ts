import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, suite, test } from 'node:test'

const root = new URL('..', import.meta.url).pathname
const script = `
  import { SuiteRun } from '${root}test/suite-run.ts'
  const suites = new SuiteRun()
  await suites.runFiles(process.argv.slice(2), {
    concurrency: 2,
    beforeAgain: async () => console.log('everything is new'),
  })
  suites.report()`

suite('a run of test files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-runs-'))
  const program = join(folder, 'run.mjs')
  writeFileSync(program, script)
  after(() => rmSync(folder, { recursive: true }))

  /** A file with a test that passes, and one that fails so many times. */
  function file(name: string, failures: number): string {
    const path = join(folder, `${name}.test.mjs`)
    const text = `
      import { appendFileSync, readFileSync } from 'node:fs'
      import { test } from 'node:test'
      const tries = ${JSON.stringify(join(folder, name))}
      test('well', () => {})
      test('rare', () => {
        appendFileSync(tries, 'x')
        if (readFileSync(tries).length <= ${failures}) throw new Error('the reason of ${name}')
      })`
    writeFileSync(path, text)
    return relative(root, path)
  }

  /** The end of the output, after the reports of the runner. */
  function run(...files: readonly string[]): {
    readonly code: number | null
    readonly end: string
    readonly renewals: number
  } {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const { status, stdout } = spawnSync(process.execPath, [program, ...files], { env, encoding: 'utf8' })
    const [, end = ''] = /\n\d+ s\n(.*)$/s.exec(stdout) ?? []
    return { code: status, end, renewals: stdout.split('everything is new').length - 1 }
  }

  test('names what failed at first and passed when its file was run again, and passes', () => {
    const { code, end, renewals } = run(file('once', 1), file('never', 0))
    assert.equal(code, 0, end)
    assert.equal(renewals, 1)
    assert.match(
      end,
      /^failed at first, and passed when run once more:\n {2}.*once\.test\.mjs: rare\n.*the reason of once/,
    )
    assert.match(end, /^4 passed, 0 failed, 0 skipped$/m)
  })

  test('fails, with the reason, where a file fails twice', () => {
    const { code, end } = run(file('twice', 2))
    assert.equal(code, 1)
    assert.match(end, /^failed:\n {2}.*twice\.test\.mjs: rare\n.*the reason of twice/)
    assert.match(end, /^1 passed, 1 failed, 0 skipped$/m)
  })

  test('fails at once where many files fail', () => {
    const { code, end } = run(...['a', 'b', 'c', 'd'].map((name) => file(name, 1)))
    assert.equal(code, 1)
    assert.match(end, /^4 passed, 4 failed, 0 skipped$/m)
  })
})
