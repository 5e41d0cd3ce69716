import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AuditWriter, type AuditWriterParts } from '../../src/audit/audit-writer.ts'
import { eachLog, logNames } from '../../src/audit/chain.ts'
import { verifierOf } from '../../src/audit/log-head.ts'
import type { AuditEvent } from '../../src/audit/event-schema.ts'
import { queryAudit } from '../../src/audit/query.ts'
import { verifyLog, type AuditProblem } from '../../src/audit/verify.ts'
import { FolderStore } from '../../src/audit/stores/folder/folder-store.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { OutboxBound } from '../../src/metadata/rules/outbox-bound.ts'
import { openLocalMetadata } from '../../src/metadata/sqlite/sqlite-metadata-store.ts'
import { quiet } from './records.ts'

export interface AuditFixture {
  readonly folder: string
  readonly auditFolder: string
  readonly metadata: MetadataStore
  /** Stands still unless a test sets it. */
  readonly clock: { now: number }
  open(extra?: Partial<AuditWriterParts>): Promise<AuditWriter>
  /** Oldest first, without events of the audit itself. */
  events(): Promise<AuditEvent[]>
  systemEvents(): Promise<AuditEvent[]>
  problems(): Promise<AuditProblem[]>
  close(): Promise<void>
}

/** The real metadata store as outbox and head store, and the log in a folder beside it. */
export function openFixture(
  options: { readonly bound?: OutboxBound; readonly folder?: string; readonly auditFolder?: string } = {},
): AuditFixture {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'trow-audit-'))
  const auditFolder = options.auditFolder ?? join(folder, 'audit')
  const metadata = openLocalMetadata({ folder, ...(options.bound && { bound: options.bound }) })
  const writers: AuditWriter[] = []
  const clock = { now: Date.UTC(2026, 10, 24, 7) }
  const year = 400 * 86_400_000
  const retention = eachLog(() => ({ age: year, bytes: 1e9 }))
  const all = (): Promise<AuditEvent[]> =>
    Array.fromAsync(queryAudit(new FolderStore(auditFolder), {}, 1_000_000))
  const isSystem = ({ type }: AuditEvent): boolean => type.startsWith('io.trow.audit.')
  return {
    folder,
    auditFolder,
    metadata,
    clock,
    async open(extra = {}) {
      const writer = await AuditWriter.open({
        store: new FolderStore(auditFolder),
        instance: 'test',
        outbox: metadata.outbox,
        denials: metadata.outbox.denials,
        heads: metadata.outbox,
        sinks: [],
        retention,
        logger: quiet,
        now: () => clock.now,
        newId: randomUUID,
        ...extra,
      })
      writers.push(writer)
      return writer
    },
    events: async () => (await all()).filter((event) => !isSystem(event)),
    systemEvents: async () => (await all()).filter(isSystem),
    async problems() {
      const found: AuditProblem[] = []
      for (const log of logNames) {
        const head = await metadata.outbox.head(log)
        const verifier = await verifierOf(metadata.outbox)
        for await (const event of verifyLog({ lines: new FolderStore(auditFolder), log, head, verifier })) {
          if (event.kind === 'problem') found.push(event)
        }
      }
      return found
    },
    async close() {
      for (const writer of writers) await writer.close()
      await metadata.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Waits until the condition holds; fails after ten seconds. */
export async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`it did not come: ${what}`)
}
