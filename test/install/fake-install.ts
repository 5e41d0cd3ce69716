import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { faultLines } from '../../src/cluster/grouped-faults.ts'
import { gatherFacts } from '../../src/install/facts.ts'
import { install, type Installed } from '../../src/install/install.ts'
import type { InstallContext } from '../../src/install/install-context.ts'
import { defaultInstallSettings, type InstallSettings } from '../../src/install/install-settings.ts'
import { makePlan, type Plan } from '../../src/install/plan.ts'
import { wantsBaseline } from '../../src/install/policy-objects.ts'
import { readRemembered, type Remembered } from '../../src/install/remembered.ts'
import { allObjects, wantedObjects } from '../../src/install/wanted-objects.ts'
import { UserError } from '../../src/user-error.ts'
import { FakeCluster } from './fake-cluster.ts'

/** An install that has succeeded. */
interface Done {
  readonly installed: Installed
  readonly plan: Plan
  readonly settings: InstallSettings
  readonly remembered: Remembered | undefined
}

export interface Run {
  readonly cluster: FakeCluster
  readonly steps: string[]
  readonly states: string[]
  readonly pushes: number[]
  readonly stop: AbortController
  readonly now: () => number
  /** Advances the clock. */
  sleep: (milliseconds: number) => Promise<void>
  go(changes?: Partial<InstallSettings>, options?: Partial<InstallContext>): Promise<Done>
}

/** The clock advances only by `sleep`, so that a minute of waiting takes no time. */
export function prepare(nodes: readonly string[] = ['n1', 'n2']): Run {
  let time = Date.parse('2026-11-24T12:00:00Z')
  const now = (): number => time
  const cluster = new FakeCluster(nodes, now)
  const [steps, states, pushes]: [string[], string[], number[]] = [[], [], []]
  const stop = new AbortController()
  const run: Run = {
    cluster,
    steps,
    states,
    pushes,
    stop,
    now,
    async sleep(milliseconds) {
      stop.signal.throwIfAborted()
      time += milliseconds
    },
    async go(changes = {}, options = {}) {
      const remembered = await readRemembered(cluster, 'trow').catch(() => undefined)
      const settings = { ...(remembered?.settings ?? defaultInstallSettings), ...changes }
      const context: InstallContext = {
        cluster,
        settings,
        remembered,
        version: '0.1.0',
        schema: 7,
        image: { reference: 'trow.test/trow:1', isDefault: false },
        forceConflicts: false,
        prune: false,
        deadline: time + 100_000,
        progress: {
          start: (title) => void steps.push(title),
          state: (reasons) => void states.push(...faultLines(reasons)),
          end: () => {},
          warn: (message) => void states.push(message),
        },
        sleep: (milliseconds) => run.sleep(milliseconds),
        now,
        crypto: webcrypto as Crypto,
        signal: stop.signal,
        pushCanary: async () => void pushes.push(time),
        ...options,
      }
      const known = { remembered, version: '0.1.0', image: context.image.reference }
      const facts = await gatherFacts(cluster, context.settings, known)
      const baseline = await wantsBaseline(cluster, remembered)
      const wanted = allObjects(wantedObjects(context.settings, facts, { discovery: true, baseline }))
      const plan = await makePlan(cluster, context.settings, wanted, { force: false })
      return { installed: await install(context, plan), plan, settings, remembered }
    },
  }
  return run
}

export function codeIs(code: string, exit: number, ...words: readonly string[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof UserError, String(error))
    assert.equal(error.code, code)
    assert.equal(error.exitCode, exit)
    for (const word of words)
      assert.ok(`${error.message}\n${error.hint}`.includes(word), `${word}: ${error.message}`)
    return true
  }
}
