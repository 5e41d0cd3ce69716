import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import type { MergedAccess } from '../../audit/access-merger.ts'
import { AuditWriter } from '../../audit/audit-writer.ts'
import { openMetadata } from '../../storage/thread-stores.ts'
import { auditFolder } from '../audit/audit-folder.ts'
import { createLogger } from '../logger.ts'
import { auditSinks } from './audit-sinks.ts'
import { openWitness } from './audit-witness.ts'
import { failedStart, type ServedOrder } from './served-thread.ts'
import type { AuditReport, AuditStart } from './thread-protocol.ts'

const start = workerData as AuditStart
const { settings } = start
const report = (message: AuditReport): void => parentPort?.postMessage(message)

const log = createLogger({ format: start.logFormat, level: settings['log-level'] })
const metadata = await openMetadata(start.storage, { cacheBytes: 0 })
const { outbox } = metadata
const folder = auditFolder(settings, settings.data)
const instance = hostname()
const stdout = (lines: string): void => report({ kind: 'lines', lines })
let closeWitness: (() => Promise<void>) | undefined
const writer = await open()

parentPort?.on('message', (order: ServedOrder | { readonly kind: 'health'; readonly id: number }) => {
  if (order.kind === 'attach') take(order.port)
  else if (order.kind === 'health') report({ kind: 'health', id: order.id, health: writer.health })
  else void stop()
})
report({ kind: 'ready' })

async function open(): Promise<AuditWriter> {
  try {
    const opened = await openWitness(settings, { env: process.env, cwd: process.cwd() })
    closeWitness = opened?.close
    return await AuditWriter.open({
      folder,
      instance,
      outbox,
      denials: outbox.denials,
      heads: outbox,
      witness: opened?.witness,
      sinks: await auditSinks(settings, { folder, instance, heads: outbox, log, stdout }),
      retention: {
        changes: { age: settings['audit-keep-changes'], bytes: Infinity },
        denials: { age: settings['audit-keep-changes'], bytes: settings['audit-size-denials'] },
        pulls: { age: settings['audit-keep-pulls'], bytes: settings['audit-size-pulls'] },
      },
      say: log,
      now: Date.now,
      newId: randomUUID,
    })
  } catch (error) {
    report({ kind: 'failed', error: failedStart(error) })
    // Main says it and ends this thread.
    return new Promise<never>(() => {})
  }
}

function take(port: MessagePort): void {
  port.on('message', (batch: readonly MergedAccess[]) => writer.merged(batch))
}

async function stop(): Promise<void> {
  await writer.close()
  await closeWitness?.()
  await metadata.close()
  parentPort?.close()
}
