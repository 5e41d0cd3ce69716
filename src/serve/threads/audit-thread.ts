import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { AuditWriter } from '../../audit/audit-writer.ts'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { reasonOf } from '../../reason-of.ts'
import { openMetadata } from '../../storage/thread-stores.ts'
import { UserError } from '../../user-error.ts'
import { auditFolder } from '../audit/audit-folder.ts'
import { createLogger } from '../logger.ts'
import { auditSinks } from '../audit/audit-sinks.ts'
import { openWitness } from '../audit/audit-witness.ts'
import type { AuditMain, AuditPort, AuditStart, ServedSide } from './thread-protocol.ts'

const start = workerData as AuditStart
const { settings } = start
const main = parentPort as MessagePort

const log = createLogger({ format: start.logFormat, level: settings['log-level'] })
const metadata = await openMetadata(start.storage, { cacheBytes: 0 })
const { outbox } = metadata
const folder = auditFolder(settings, settings.data)
const instance = hostname()
let closeWitness: (() => Promise<void>) | undefined
let writer: AuditWriter | undefined
const local: ServedSide = {
  start: async () => {
    writer = await opened
  },
  attach: (port) => {
    const taking: AuditPort = { merged: (batch) => writer?.merged(batch) }
    new ThreadChannel(port, taking)
  },
  health: () => writer?.health,
  stop: () => void stop(),
}
const channel = new ThreadChannel<AuditMain>(main, local)
const stdout = (lines: string): void => channel.tell('lines', [lines])
const opened = open()
// Main asks for it by `start`; until then nobody is to call it unhandled.
opened.catch(() => undefined)

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
    if (error instanceof UserError) throw error
    throw new UserError('AUDIT_UNUSABLE', `the audit log cannot be opened: ${reasonOf(error)}`, {
      hint: 'Check --audit-folder: this user must be able to write there.',
      cause: error,
    })
  }
}

async function stop(): Promise<void> {
  await writer?.close()
  await closeWitness?.()
  await metadata.close()
  main.close()
}
