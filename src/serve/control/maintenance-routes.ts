import { reasonOf } from '../../reason-of.ts'
import { checkStorage } from '../../registry/fsck.ts'
import type { GarbageSchedule } from '../garbage/garbage-schedule.ts'
import type { MaintenanceStores } from '../garbage/stores.ts'
import { UserError } from '../../user-error.ts'
import type { ServerRequest } from '../../http/server-request.ts'
import type { Reply } from '../../http/reply.ts'
import { route, type Route } from '../../http/route.ts'
import { eventReply } from './events.ts'
import { backupSizeHeader } from './backup-size-header.ts'
import { userErrorReply } from './user-error-reply.ts'

export interface MaintenanceControl {
  readonly stores: MaintenanceStores
  readonly schedule: GarbageSchedule
}

/**
 * Routes `POST /gc[?dry-run]` and `POST /fsck[?repair]`, which send events, and `GET /backup`, which sends a
 * stream.
 */
export function maintenanceRoutes({ stores, schedule }: MaintenanceControl): Route[] {
  return [
    route(['POST'], '/gc', 'none', ({ query }) =>
      eventReply(schedule.run({ dryRun: query.has('dry-run'), orphans: 'daily', kept: true })),
    ),
    route(['POST'], '/fsck', 'none', ({ query, signal }) => {
      const options = { repair: query.has('repair'), rate: stores.fsckRate, signal }
      return eventReply(checkStorage(stores, options))
    }),
    route(['GET'], '/backup', 'none', (request) => backupReply(stores, request)),
  ]
}

/**
 * A UserError before the first byte becomes a 409 reply. A backup that fails later ends without its tail, and
 * the reason is logged.
 */
async function backupReply(stores: MaintenanceStores, request: ServerRequest): Promise<Reply> {
  const { signal } = request
  const failed = (error: unknown): void => {
    if (!signal.aborted) stores.log.error('a backup failed', { reason: reasonOf(error) })
  }
  const { backup, backupSize } = await import('../../registry/backup.ts')
  const chunks = backup(stores, signal)
  let first: IteratorResult<Uint8Array, void>
  try {
    first = await chunks.next()
  } catch (error) {
    failed(error)
    if (!(error instanceof UserError)) {
      request.cut()
      return { status: 500, headers: [] }
    }
    return userErrorReply(error)
  }
  const stream = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* joined(first, chunks)
    } catch (error) {
      failed(error)
      request.cut()
    }
  }
  const headers = [backupSizeHeader, String(await backupSize(stores))]
  return { status: 200, headers, body: { length: undefined, stream, close: () => undefined } }
}

async function* joined<Chunk>(
  first: IteratorResult<Chunk, void>,
  rest: AsyncGenerator<Chunk>,
): AsyncGenerator<Chunk> {
  if (first.done !== true) yield first.value
  yield* rest
}
