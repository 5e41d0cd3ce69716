import type { EncodedAuditRecord, ChangeFacts, AuditQueue, Outbox, OutboxEntry } from '../outbox.ts'
import type { Instant } from '../../instant.ts'
import { auditKeySetting, headSetting } from './change-outbox.ts'
import type { ChangeRunner } from './changes.ts'
import { denialsAfter, denialsSize, auditRecordsAfter, outboxSize } from './statements/reads.ts'
import { settingByName } from './statements/settings.ts'
import type { Database } from './database.ts'

interface OutboxParts {
  readonly database: Database
  readonly changes: ChangeRunner
  /** Must be done before records are read. */
  readonly beforeRead?: (kind: keyof typeof queues) => Promise<void>
}

const queues = {
  changes: { record: 'recordChanges', after: auditRecordsAfter, size: outboxSize },
  denials: { record: 'recordDenials', after: denialsAfter, size: denialsSize },
} as const

/** A row of an outbox. */
interface OutboxRow {
  readonly id: number
  readonly note: string | null
  readonly facts: string | null
}

export function outboxEntry({ id, note: auditRecord, facts }: OutboxRow): OutboxEntry {
  return {
    id,
    auditRecord: auditRecord ?? undefined,
    facts: facts === null ? undefined : (JSON.parse(facts) as ChangeFacts),
  }
}

class SqlQueue implements AuditQueue {
  readonly #database: Database
  readonly #changes: ChangeRunner
  readonly #kind: keyof typeof queues
  readonly #beforeRead: OutboxParts['beforeRead']

  constructor({ database, changes, beforeRead }: OutboxParts, kind: keyof typeof queues) {
    this.#beforeRead = beforeRead
    this.#database = database
    this.#changes = changes
    this.#kind = kind
  }

  record(auditRecords: readonly EncodedAuditRecord[], now: Instant): Promise<void> {
    return this.#changes.run(queues[this.#kind].record, { auditRecords, now })
  }

  async read(page: { readonly after: number; readonly limit: number }): Promise<readonly OutboxEntry[]> {
    await this.#beforeRead?.(this.#kind)
    const rows = await this.#database.all(queues[this.#kind].after, page)
    return rows.map(outboxEntry)
  }

  forget(upTo: number): Promise<void> {
    return this.#changes.run('forgetRecorded', { kind: this.#kind, upTo })
  }

  async size(): Promise<{ readonly rows: number; readonly bytes: number }> {
    const { rows, bytes } = (await this.#database.get(queues[this.#kind].size, {})) ?? { rows: 0, bytes: 0 }
    return { rows, bytes }
  }
}

export class SqlOutbox extends SqlQueue implements Outbox {
  readonly denials: AuditQueue
  readonly #database: Database
  readonly #changes: ChangeRunner

  constructor(parts: OutboxParts) {
    super(parts, 'changes')
    this.denials = new SqlQueue(parts, 'denials')
    this.#database = parts.database
    this.#changes = parts.changes
  }

  saveHead(log: string, head: string): Promise<void> {
    return this.#changes.run('saveHead', { log, head })
  }

  head(log: string): Promise<string | undefined> {
    return this.#setting(headSetting(log))
  }

  async saveKey(key: string): Promise<string> {
    await this.#changes.run('saveAuditKey', { key })
    return (await this.#setting(auditKeySetting)) ?? key
  }

  key(): Promise<string | undefined> {
    return this.#setting(auditKeySetting)
  }

  async #setting(name: string): Promise<string | undefined> {
    return (await this.#database.get(settingByName, { name }))?.value
  }
}
