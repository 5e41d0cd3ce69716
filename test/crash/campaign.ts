import { setTimeout as sleep } from 'node:timers/promises'
import { askServer, readEvents } from '../../src/cli/control/control-client.ts'
import type { FsckEvent } from '../../src/registry/fsck.ts'
import type { CrashTime } from './crash-time.ts'
import { connectClient } from './http-client.ts'
import { Lane } from './load.ts'
import { randomNumbers, type RepositoryModel } from './model.ts'
import { startServer, type ServerOptions, type ServerProcess } from '../support/server-process.ts'
import { verifyRepository } from './verify.ts'

export interface CampaignResult {
  crashes: number
  acknowledged: number
  reads: number
  refused: number
  /** A sentence for each broken promise. */
  readonly losses: string[]
}

export interface CampaignOptions {
  readonly seed: number
  readonly lanes: number
  /** Largest number of milliseconds of load before the crash. */
  readonly upTo: number
  /**
   * Ends the server in round `round`; returns when it is gone and the data folder can be used again. After
   * `deafen` no reply counts any more.
   */
  crash(server: ServerProcess, round: number, deafen: () => void): Promise<CrashTime>
  /** How the server of round `round` is started. A server with a planned crash ends by itself. */
  server(round: number): ServerOptions
  /** Every tenth time all is pulled again, not only what is new; fsck reads every byte each time. */
  readonly readEverything: boolean
  readonly rounds: number
  until?(result: CampaignResult): boolean
  report?(text: string): void
}

/** Repeats on the same data: load, crash, restart, comparison with what was acknowledged, fsck. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const result: CampaignResult = { crashes: 0, acknowledged: 0, reads: 0, refused: 0, losses: [] }
  const random = randomNumbers(options.seed)
  let reported = 0
  let last: CrashTime | undefined
  const lanes = Array.from(
    { length: options.lanes },
    (_, i) => new Lane(i, randomNumbers(options.seed * 31 + i)),
  )
  for (let round = 0; round < options.rounds && !options.until?.(result); round++) {
    const settings = options.server(round)
    const server = await startServer(settings)
    if ('died' in server) {
      // A planned crash may happen during the start.
      if (settings.preload === undefined) {
        result.losses.push(notStarted(round - 1, server.died))
        break
      }
    } else {
      // A server without a hook is checked before the load. A server with a hook is checked afterwards.
      if (round > 0 && settings.preload === undefined)
        await verify(server, options, { round: round - 1, lanes, crash: last }, result)
      last = await loadAndCrash(
        server,
        lanes,
        random() * options.upTo,
        (gone, deafen) => options.crash(gone, round, deafen),
        result,
      )
    }
    result.crashes++
    if (settings.preload !== undefined || round === options.rounds - 1) {
      await verifyAfterCrash(options, { round, lanes, crash: last }, result)
    }
    for (const loss of result.losses.slice(reported)) options.report?.(`LOST ${loss}`)
    reported = result.losses.length
    if (round % 25 === 24 || round === options.rounds - 1) {
      options.report?.(
        `${result.crashes} crashes, ${count(lanes, 'acknowledged')} acknowledged, ${result.losses.length} lost`,
      )
    }
  }
  result.acknowledged = count(lanes, 'acknowledged')
  result.reads = count(lanes, 'reads')
  result.refused = count(lanes, 'refused')
  return result
}

async function loadAndCrash(
  server: ServerProcess,
  lanes: readonly Lane[],
  milliseconds: number,
  crash: (server: ServerProcess, deafen: () => void) => Promise<CrashTime>,
  result: CampaignResult,
): Promise<CrashTime> {
  const client = connectClient(server.url, lanes.length)
  let over = false
  const work = lanes.map((lane) =>
    lane
      .run(client, () => over)
      .catch((error: unknown) => {
        result.losses.push(`under load: ${(error as Error).message}`)
      }),
  )
  await Promise.race([sleep(milliseconds), server.exited])
  const time = await crash(server, () => client.deafen())
  over = true
  await Promise.all(work)
  client.close()
  return time
}

interface Crashed {
  readonly round: number
  readonly lanes: readonly Lane[]
  /** Undefined before the first load. */
  readonly crash: CrashTime | undefined
}

async function verifyAfterCrash(
  options: CampaignOptions,
  crashed: Crashed,
  result: CampaignResult,
): Promise<void> {
  const { data, args } = options.server(crashed.round)
  const server = await startServer({ data, ...(args ? { args } : {}) })
  if ('died' in server) {
    result.losses.push(notStarted(crashed.round, server.died))
    return
  }
  await verify(server, options, crashed, result)
  await server.stop()
}

function notStarted(round: number, output: string): string {
  return `round ${round}: the server does not start again: ${output}`
}

async function verify(
  server: ServerProcess,
  options: CampaignOptions,
  crashed: Crashed,
  result: CampaignResult,
): Promise<void> {
  try {
    await compare(server, options, crashed, result)
  } catch (error) {
    // A running server would keep its folder and the loop device below it from being removed.
    await server.kill()
    throw error
  }
}

async function compare(
  server: ServerProcess,
  options: CampaignOptions,
  { round, lanes, crash }: Crashed,
  result: CampaignResult,
): Promise<void> {
  const client = connectClient(server.url)
  const repositories = lanes.flatMap((lane) => lane.repositories)
  const problems = await Promise.all(
    repositories.map((model) => {
      if (options.readEverything && round % 10 === 9) readAll(model)
      return verifyRepository(client, model, crash)
    }),
  )
  client.close()
  result.losses.push(...problems.flat().map((problem) => `round ${round}: ${problem}`))
  const reply = await askServer(options.server(round).data, 'POST', '/fsck')
  if (reply === undefined) throw new Error('the server does not answer its control socket')
  for await (const event of readEvents<FsckEvent>(reply)) {
    if (event.kind === 'problem') result.losses.push(`round ${round}: fsck: ${JSON.stringify(event)}`)
  }
}

function readAll(model: RepositoryModel): void {
  for (const manifest of model.manifests.values()) manifest.fresh = true
}

function count(lanes: readonly Lane[], what: 'acknowledged' | 'reads' | 'refused'): number {
  return lanes.reduce((sum, lane) => sum + lane.counts[what], 0)
}
