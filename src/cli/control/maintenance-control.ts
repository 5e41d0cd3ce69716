import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { checkStorage } from '../../registry/fsck.ts'
import type { GarbageSchedule } from '../maintenance/garbage-schedule.ts'
import type { MaintenanceStores } from '../maintenance/stores.ts'
import { UserError } from '../../user-error.ts'
import { sendEvents } from './events.ts'

export interface MaintenanceControl {
  readonly stores: MaintenanceStores
  readonly schedule: GarbageSchedule
}

/** `POST /gc[?dry-run]`, `POST /fsck[?repair]` as events, `GET /backup` as a stream. False: it is another request. */
export async function answerMaintenance(
  asked: { readonly method: string; readonly url: URL },
  response: ServerResponse,
  { stores, schedule }: MaintenanceControl,
): Promise<boolean> {
  const { pathname, searchParams } = asked.url
  const abort = new AbortController()
  response.once('close', () => abort.abort())
  switch (`${asked.method} ${pathname}`) {
    case 'POST /gc':
      await sendEvents(response, schedule.run({ dryRun: searchParams.has('dry-run'), kept: true }))
      return true
    case 'POST /fsck': {
      const options = { repair: searchParams.has('repair'), rate: stores.fsckRate, signal: abort.signal }
      await sendEvents(response, checkStorage(stores, options))
      return true
    }
    case 'GET /backup': {
      await sendBackup(response, stores, abort.signal)
      return true
    }
    default:
      return false
  }
}

/** A refusal is told as such; a backup that fails later ends without its tail, and the log says why. */
async function sendBackup(
  response: ServerResponse,
  stores: MaintenanceStores,
  signal: AbortSignal,
): Promise<void> {
  const { backup } = await import('../../registry/backup.ts')
  const chunks = backup(stores, signal)
  try {
    const first = await chunks.next()
    await pipeline(joined(first, chunks), response)
  } catch (error) {
    if (!signal.aborted) stores.log.error('a backup failed', { reason: (error as Error).message })
    if (!(error instanceof UserError) || response.headersSent) throw error
    const { code, message, hint, exitCode } = error
    response.writeHead(409, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ code, message, hint, exitCode }))
  }
}

async function* joined<Chunk>(
  first: IteratorResult<Chunk, void>,
  rest: AsyncGenerator<Chunk>,
): AsyncGenerator<Chunk> {
  if (first.done !== true) yield first.value
  yield* rest
}
