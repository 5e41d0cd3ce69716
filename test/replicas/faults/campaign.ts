import { setTimeout as sleep } from 'node:timers/promises'
import { randomNumbers } from '../../crash/model.ts'
import { finalCheck } from './final-check.ts'
import { faults, planned, type FaultContext } from './kinds.ts'
import { Load } from './load.ts'
import { MemoryCurve } from './memory.ts'
import type { Promoted } from './promotion.ts'
import { Scene } from './scene.ts'
import type { ClientCounts } from './doors.ts'

export interface FaultRun {
  readonly seconds: number
  readonly acknowledged: number
  readonly reads: number
  /** Answers that say that a blob was collected meanwhile. */
  readonly refused: number
  readonly clients: ClientCounts
  readonly faults: ReadonlyMap<string, number>
  readonly kills: number
  readonly promotions: readonly Promoted[]
  readonly memory: readonly (MemoryCurve['summary'] & { readonly name: string })[]
  /** A sentence for each broken promise. */
  readonly losses: readonly string[]
  /** Lines that the processes have logged as errors, without those of known faults, and how often. */
  readonly errors: ReadonlyMap<string, number>
}

/** Runs faults in an order that the seed gives, under load. `only`: the kinds of faults, else all. */
export async function runFaults(options: {
  readonly seconds: number
  readonly seed: number
  readonly lanes: number
  readonly only?: readonly string[]
  report(text: string): void
}): Promise<FaultRun> {
  const { seconds, seed, lanes, only, report } = options
  const random = randomNumbers(seed)
  const began = performance.now()
  const scene = await Scene.start(randomNumbers(seed + 1))
  try {
    const load = new Load(scene.doors.client(), seed, lanes)
    const curves = scene.replicas.map(() => new MemoryCurve())
    const sampler = setInterval(() => {
      for (const [index, { server }] of scene.replicas.entries()) curves[index]?.sample(server?.pid)
    }, 1000)
    const context: FaultContext = { scene, load, random, promotions: [] }
    const done = new Map<string, number>()
    load.start()
    const since = performance.now()
    for (const { kind, pause } of planned(randomNumbers(seed + 2))) {
      if (only !== undefined && !only.some((word) => kind.includes(word))) continue
      await sleep(pause)
      if (performance.now() - since > seconds * 1000) break
      const at = Math.round((performance.now() - since) / 1000)
      report(`${at} s: ${kind}; ${load.acknowledged} acknowledged, ${load.losses.length} lost`)
      await faults[kind]?.(context)
      done.set(kind, (done.get(kind) ?? 0) + 1)
    }
    clearInterval(sampler)
    report('the load ends')
    await load.stop()
    const memory = curves.map((curve, index) => ({ name: scene.replica(index).name, ...curve.summary }))
    report('everything is looked at')
    const losses = [
      ...load.losses,
      ...memory.flatMap(({ name, middle, last }) =>
        last > middle * 1.25 + 32
          ? [`the memory of ${name} grows: ${middle.toFixed(0)}, then ${last.toFixed(0)} MiB`]
          : [],
      ),
      ...context.promotions.flatMap(({ problems }) => problems),
      ...scene.doors.counts.problems,
      ...(await finalCheck(scene, load)),
    ]
    return {
      seconds: Math.round((performance.now() - began) / 1000),
      acknowledged: load.acknowledged,
      reads: load.lanes.reduce((sum, { counts }) => sum + counts.reads, 0),
      refused: load.lanes.reduce((sum, { counts }) => sum + counts.refused, 0),
      clients: scene.doors.counts,
      faults: done,
      kills: scene.replicas.reduce((sum, replica) => sum + replica.kills, 0),
      promotions: context.promotions,
      memory,
      losses,
      errors: errorsOf(scene),
    }
  } finally {
    await scene.stop()
  }
}

function errorsOf(scene: Scene): ReadonlyMap<string, number> {
  const errors = new Map<string, number>()
  for (const index of scene.replicas.keys())
    for (const line of scene.said(index).split('\n')) {
      const [, words] = /^error: (.{0,300})/.exec(line) ?? []
      if (words !== undefined) errors.set(words, (errors.get(words) ?? 0) + 1)
    }
  return errors
}
