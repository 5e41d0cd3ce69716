import { randomUUID } from 'node:crypto'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { openBlobs, openMetadata } from '../../storage/thread-stores.ts'
import { createLogger } from '../logger.ts'
import { commitTotals } from '../garbage/commit-totals.ts'
import { GarbageSchedule } from '../garbage/garbage-schedule.ts'
import { maintenanceStores } from '../garbage/stores.ts'
import { openAuditStore } from '../audit/audit-store.ts'
import { ControlServer } from '../control/control-server.ts'
import { isAudited } from '../../settings/access-settings.ts'
import { isJudged } from '../policy/policy-settings.ts'
import type { MaintenanceMain, MaintenanceSide, MaintenanceStart } from './thread-protocol.ts'

const start = workerData as MaintenanceStart
let { settings } = start

const log = createLogger({ format: start.logFormat, level: settings['log-level'] })
const metadata = await openMetadata(start.storage, { cacheBytes: 1024 * 1024 })
const blobs = await openBlobs(start.storage)
const content = start.storage.blobs.kind
const stores = maintenanceStores({
  metadata,
  blobs,
  log,
  settings: () => settings,
  content,
  holder: randomUUID(),
})
const audit = await openAuditStore(settings, start.storage, metadata)
const schedule = new GarbageSchedule(stores, () => settings['gc-interval'])
const control = await ControlServer.listen(settings.data, {
  stores,
  schedule,
  audit: { lines: audit.store, heads: metadata.outbox },
  isAudited: isAudited(settings),
  standing: () => channel.call('standing'),
  policies: isJudged(settings) ? (question) => channel.call('askPolicies', question) : undefined,
})
schedule.start()
stores.commits?.start(() => schedule.soon())

const main = parentPort as MessagePort
const local: MaintenanceSide = {
  start: () => undefined,
  totals: () => ({ ...schedule.totals, ...commitTotals(stores.commits) }),
  record: (auditRecord) => metadata.outbox.record([auditRecord], Date.now()),
  setSettings(changed) {
    settings = changed
    log.setLevel(changed['log-level'])
    schedule.restart()
  },
  stop: () => void stop(),
}
const channel = new ThreadChannel<MaintenanceMain>(main, local)

async function stop(): Promise<void> {
  await control.close()
  await stores.commits?.stop()
  await schedule.stop()
  await audit.close()
  await blobs.close()
  await metadata.close()
  main.close()
}
