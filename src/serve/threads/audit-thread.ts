import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { AuditWriter } from '../../audit/audit-writer.ts'
import type { Retention } from '../../audit/audit-store.ts'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { openMetadata } from '../../storage/thread-stores.ts'
import { UserError } from '../../user-error.ts'
import { auditUnusable } from '../audit/audit-folder.ts'
import { openAuditStore } from '../audit/audit-store.ts'
import { createLogger } from '../logger.ts'
import { auditSinks, webhookTurn } from '../audit/audit-sinks.ts'
import { openWitness } from '../audit/audit-witness.ts'
import type { AuditMain, AuditPort, AuditStart, ServedSide } from './thread-protocol.ts'

const start = workerData as AuditStart
let { settings } = start
const main = parentPort as MessagePort

const log = createLogger({ format: start.logFormat, level: settings['log-level'] })
const metadata = await openMetadata(start.storage, { cacheBytes: 0 })
const { outbox } = metadata
const { store, close: closeStore } = await openAuditStore(settings, start.storage, metadata)
const instance = hostname()
const turn = start.storage.isShared ? webhookTurn(metadata.garbage, randomUUID()) : undefined
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
  setSettings(changed) {
    settings = changed
    log.setLevel(changed['log-level'])
  },
  stop: () => void stop(),
}
const channel = new ThreadChannel<AuditMain>(main, local)
const stdout = (lines: string): void => channel.tell('lines', [lines])
const opened = open()
// Main receives a rejection through `start`; until then it must not count as unhandled.
opened.catch(() => undefined)

async function open(): Promise<AuditWriter> {
  try {
    const opened = await openWitness(settings, { env: process.env, cwd: process.cwd() })
    closeWitness = opened?.close
    return await AuditWriter.open({
      store,
      instance,
      outbox,
      denials: outbox.denials,
      heads: outbox,
      witness: opened?.witness,
      sinks: await auditSinks(settings, { lines: store, turn, instance, heads: outbox, log, stdout }),
      retention: {
        changes: retention('audit-keep-changes'),
        denials: retention('audit-keep-changes', 'audit-size-denials'),
        pulls: retention('audit-keep-pulls', 'audit-size-pulls'),
      },
      logger: log,
      now: Date.now,
      newId: randomUUID,
    })
  } catch (error) {
    if (error instanceof UserError) throw error
    throw auditUnusable(error, start.storage.isShared)
  }
}

/** Read each time that old segments are deleted, so that changed settings apply. */
function retention(
  age: 'audit-keep-changes' | 'audit-keep-pulls',
  bytes?: 'audit-size-denials' | 'audit-size-pulls',
): Retention {
  return {
    get age() {
      return settings[age]
    },
    get bytes() {
      return bytes === undefined ? Infinity : settings[bytes]
    },
  }
}

async function stop(): Promise<void> {
  await writer?.close()
  await closeWitness?.()
  await closeStore()
  await metadata.close()
  main.close()
}
