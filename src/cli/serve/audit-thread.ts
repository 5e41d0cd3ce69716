import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import type { MergedAccess } from '../../audit/access-merger.ts'
import { AuditWriter } from '../../audit/audit-writer.ts'
import { auditFolder } from '../audit/audit-source.ts'
import { createLogger } from '../logger.ts'
import { auditSinks } from './audit-sinks.ts'
import { failedStart, type ServedOrder } from './served-thread.ts'
import type { AuditReport, AuditStart } from './thread-protocol.ts'
import { openThreadMetadata } from './thread-stores.ts'

const start = workerData as AuditStart
const { settings } = start
const report = (message: AuditReport): void => parentPort?.postMessage(message)

const log = createLogger({ format: start.logFormat, level: settings['log-level'] })
const metadata = openThreadMetadata(start)
const { outbox } = metadata
const folder = settings['audit-folder'] ?? auditFolder(start.folder)
const instance = hostname()
const stdout = (lines: string): void => report({ kind: 'lines', lines })
const writer = await open()

parentPort?.on('message', (order: ServedOrder | { readonly kind: 'health'; readonly id: number }) => {
  if (order.kind === 'attach') take(order.port)
  else if (order.kind === 'health') report({ kind: 'health', id: order.id, health: writer.health })
  else void stop()
})
report({ kind: 'ready' })

async function open(): Promise<AuditWriter> {
  try {
    return await AuditWriter.open({
      folder,
      instance,
      outbox,
      heads: outbox,
      sinks: await auditSinks(settings, { folder, instance, heads: outbox, log, stdout }),
      retention: {
        changes: { age: settings['audit-keep-changes'], bytes: Infinity },
        pulls: { age: settings['audit-keep-pulls'], bytes: Infinity },
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
  await metadata.close()
  parentPort?.close()
}
