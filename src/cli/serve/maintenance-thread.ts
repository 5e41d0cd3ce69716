import { randomUUID } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { openDiskBlobStore } from '../../blobs/disk/disk-blob-store.ts'
import { createLogger } from '../logger.ts'
import { GarbageSchedule } from '../maintenance/garbage-schedule.ts'
import { maintenanceStores } from '../maintenance/stores.ts'
import { auditFolder } from '../audit/audit-folder.ts'
import { ControlServer } from '../control/control-server.ts'
import type { MaintenanceOrder, MaintenanceReport, MaintenanceStart } from './thread-protocol.ts'
import { openThreadMetadata } from './thread-stores.ts'

const start = workerData as MaintenanceStart
const { settings } = start
const report = (message: MaintenanceReport): void => parentPort?.postMessage(message)

const log = createLogger({ format: start.logFormat, level: settings['log-level'] })
const metadata = openThreadMetadata(start, 1024 * 1024)
const blobs = await openDiskBlobStore({ folder: start.folder, reserve: settings.reserve, flushes: 1 })
const stores = maintenanceStores({ metadata, blobs, log, settings, holder: randomUUID() })
const schedule = new GarbageSchedule(stores, settings['gc-interval'])
const control = await ControlServer.listen(start.folder, {
  stores,
  schedule,
  audit: { folder: auditFolder(settings, start.folder), heads: metadata.outbox },
})
schedule.start()

parentPort?.on('message', (order: MaintenanceOrder) => {
  if (order.kind === 'stop') void stop()
  else report({ kind: 'totals', id: order.id, totals: schedule.totals })
})
report({ kind: 'ready' })

async function stop(): Promise<void> {
  await control.close()
  await schedule.stop()
  await blobs.close()
  await metadata.close()
  parentPort?.close()
}
