import { setTimeout as sleep } from 'node:timers/promises'
import type { IncomingMessage } from 'node:http'
import { s3Error, type Fault } from '../../support/fault-proxy.ts'
import { promote, type Promoted } from './promotion.ts'
import type { Load } from './load.ts'
import type { Scene } from './scene.ts'

export interface FaultContext {
  readonly scene: Scene
  readonly load: Load
  readonly random: () => number
  readonly promotions: Promoted[]
}

/** Does one fault, and resolves when its cause is over. */
type DoFault = (context: FaultContext) => Promise<void>

/** Milliseconds for which S3 fails. */
const window = 10_000

/** The first process is never killed: what it needs of memory in the whole run is seen. */
const kill: DoFault = async ({ scene, random }) => {
  const index = 1 + Math.floor(random() * (scene.replicas.length - 1))
  await scene.kill(index)
  await sleep(random() * 3000)
  await scene.begin(index)
}

const suspend: DoFault = async ({ scene, random }) => {
  const index = Math.floor(random() * scene.replicas.length)
  scene.signal(index, 'SIGSTOP')
  await sleep(20_000)
  scene.signal(index, 'SIGCONT')
}

const skew: DoFault = async ({ scene, random }) => {
  const index = Math.floor(random() * scene.replicas.length)
  scene.setClock(index, (random() < 0.5 ? 1 : -1) * 3_600_000)
  await sleep(window)
  scene.setClock(index, 0)
}

/** A part of the requests to S3, at random, gets what `choose` returns. */
function failing(share: number, choose: (random: () => number, request: IncomingMessage) => Fault): DoFault {
  return async ({ scene, random }) => {
    scene.proxy.plan = (request) => (random() < share ? choose(random, request) : undefined)
    await sleep(window)
    scene.proxy.plan = () => undefined
    scene.proxy.requests.length = 0
  }
}

const errors = [
  { status: 500, body: s3Error('InternalError') },
  { status: 503, body: s3Error('SlowDown') },
  { status: 429, body: '' },
] as const

export const faults: Readonly<Record<string, DoFault>> = {
  'process killed': kill,
  'process stopped for 20 s': suspend,
  'clock an hour wrong': skew,
  'PostgreSQL restarted (immediate)': async ({ scene }) => {
    await scene.primary.end('immediate')
    await scene.primary.begin()
  },
  'PostgreSQL crashed inside': async ({ scene }) => {
    await scene.primary.crash()
    await sleep(500)
    await scene.primary.answers()
  },
  'connections to PostgreSQL cut': ({ scene }) => Promise.resolve(scene.toPrimary.cut()),
  'PostgreSQL slow (20 ms)': async ({ scene }) => {
    scene.toPrimary.delay = 20
    await sleep(window)
    scene.toPrimary.delay = 0
  },
  'S3 answers 5xx': failing(0.4, (random) => ({
    kind: 'answer',
    ...(errors[Math.floor(random() * errors.length)] ?? errors[0]),
  })),
  'S3 slow': failing(0.5, (random) => ({ kind: 'slow', delay: random() * 4000 })),
  'S3 cut in a body': failing(0.3, (random, { method }) =>
    method === 'GET'
      ? { kind: 'cut', after: random() * 500_000 }
      : { kind: 'break', after: random() * 500_000 },
  ),
  'S3 silent after a request': failing(0.2, () => ({ kind: 'silence' })),
  'S3 away': failing(1, () => ({ kind: 'answer', status: 503, body: s3Error('ServiceUnavailable') })),
  'standby promoted with lag': async (context) => void context.promotions.push(await promote(context)),
}

/** An endless order of faults: each kind once, shuffled, and again; `pause`: milliseconds before it. */
export function* planned(random: () => number): Generator<{ readonly kind: string; readonly pause: number }> {
  for (;;) {
    const kinds = Object.keys(faults)
    while (kinds.length > 0) {
      const [kind] = kinds.splice(Math.floor(random() * kinds.length), 1)
      if (kind !== undefined) yield { kind, pause: 2000 + random() * 4000 }
    }
  }
}
