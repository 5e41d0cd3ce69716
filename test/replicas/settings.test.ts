import assert from 'node:assert/strict'
import { after, afterEach, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkResult } from '../support/check-result.ts'
import { runTrow, type ServerProcess } from '../support/server-process.ts'
import { SharedRegistry, skipReplicas } from './shared-registry.ts'

async function eventually(holds: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  for (const end = performance.now() + 40_000; !(await holds()); await sleep(50))
    assert.ok(performance.now() < end, what())
}

suite('processes of one registry with other settings', { skip: skipReplicas }, () => {
  let registry: SharedRegistry
  before(async () => (registry = await SharedRegistry.start()))
  afterEach(() => registry.end())
  after(() => registry.stop())

  const saysSo = (server: ServerProcess, here: string, there: string, name: string): boolean =>
    server
      .output()
      .includes(
        `warn: another process of this registry runs with another setting setting=policy source here=${here} there=${there} process=${registry.folder(name)} on `,
      )

  async function status(name: string, ...args: string[]): Promise<{ code: number | null; output: string }> {
    return runTrow(['status', '--data', registry.folder(name), ...args])
  }

  test('both say it, trow status too, until one has ended or has the same', async () => {
    const place = await registry.place('settings')
    const one = await registry.replica(place, { name: 'one', args: ['--policy-database'] })
    const two = await registry.replica(place, { name: 'two' })
    await eventually(() => saysSo(two, 'none', 'policy-database', 'one'), two.output)
    await eventually(() => saysSo(one, 'policy-database', 'none', 'two'), one.output)
    const { code, output } = await status('two')
    assert.equal(code, 0, output)
    assert.match(output, new RegExp(`1 other process serves this registry: ${registry.folder('one')} on `))
    assert.match(output, /‼ all processes have the same policy source\n +here none, but policy-database at /)
    assert.match(
      output,
      /√ pushes are kept as durable as PostgreSQL is: one PostgreSQL server without a standby/,
    )
    const json = checkResult('Status', (await status('two', '-o', 'json')).output) as {
      readonly served?: object
    }
    assert.ok(json.served)

    await two.stop()
    const again = await registry.replica(place, { name: 'two', args: ['--policy-database'] })
    await eventually(
      () => one.output().includes('the other processes of this registry are as they should be again'),
      one.output,
    )
    assert.doesNotMatch(again.output(), /another setting/)
    await one.stop()
    await eventually(
      async () => (await status('two')).output.includes('√ no other process serves this registry'),
      again.output,
    )
  })

  test('of a folder that nobody serves it says so', async () => {
    const { code, output } = await status('nobody')
    assert.equal(code, 69)
    assert.match(output, /no trow serves /)
  })
})
