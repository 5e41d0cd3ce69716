import { randomUUID } from 'node:crypto'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { openBlobs, openMetadata } from '../../storage/thread-stores.ts'
import { createLogger } from '../logger.ts'
import { GarbageSchedule } from '../garbage/garbage-schedule.ts'
import { maintenanceStores } from '../garbage/stores.ts'
import { auditFolder } from '../audit/audit-folder.ts'
import { ControlServer } from '../control/control-server.ts'
import type { MaintenanceSide, MaintenanceStart } from './thread-protocol.ts'

const start = workerData as MaintenanceStart
const { settings } = start

const log = createLogger({ format: start.logFormat, level: settings['log-level'] })
const metadata = await openMetadata(start.storage, { cacheBytes: 1024 * 1024 })
const blobs = await openBlobs(start.storage)
const stores = maintenanceStores({ metadata, blobs, log, settings, holder: randomUUID() })
const schedule = new GarbageSchedule(stores, settings['gc-interval'])
const control = await ControlServer.listen(settings.data, {
  stores,
  schedule,
  audit: { folder: auditFolder(settings, settings.data), heads: metadata.outbox },
})
schedule.start()

const main = parentPort as MessagePort
const local: MaintenanceSide = {
  start: () => undefined,
  totals: () => schedule.totals,
  stop: () => void stop(),
}
new ThreadChannel(main, local)

async function stop(): Promise<void> {
  await control.close()
  await schedule.stop()
  await blobs.close()
  await metadata.close()
  main.close()
}
