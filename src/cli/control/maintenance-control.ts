import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { checkStorage } from '../../registry/fsck.ts'
import type { GarbageSchedule } from '../maintenance/garbage-schedule.ts'
import type { MaintenanceStores } from '../maintenance/stores.ts'
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
      await sendEvents(response, schedule.run({ dryRun: searchParams.has('dry-run') }))
      return true
    case 'POST /fsck': {
      const options = { repair: searchParams.has('repair'), rate: stores.fsckRate, signal: abort.signal }
      await sendEvents(response, checkStorage(stores, options))
      return true
    }
    case 'GET /backup': {
      const { backup } = await import('../../registry/backup.ts')
      await pipeline(backup(stores, abort.signal), response)
      return true
    }
    default:
      return false
  }
}
