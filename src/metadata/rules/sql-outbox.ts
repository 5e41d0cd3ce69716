import type { ChangeNote, Facts, NoteQueue, Outbox, OutboxEntry } from '../outbox.ts'
import type { Instant } from '../../instant.ts'
import { auditKeySetting, headSetting } from './change-outbox.ts'
import type { ChangeRunner } from './changes.ts'
import { denialsAfter, denialsSize, notesAfter, outboxSize } from './statements/reads.ts'
import { settingByName } from './statements/settings.ts'
import type { Database } from './database.ts'

interface OutboxParts {
  readonly database: Database
  readonly changes: ChangeRunner
}

const queues = {
  changes: { record: 'recordNotes', after: notesAfter, size: outboxSize },
  denials: { record: 'recordDenials', after: denialsAfter, size: denialsSize },
} as const

class SqlQueue implements NoteQueue {
  readonly #database: Database
  readonly #changes: ChangeRunner
  readonly #kind: keyof typeof queues

  constructor({ database, changes }: OutboxParts, kind: keyof typeof queues) {
    this.#database = database
    this.#changes = changes
    this.#kind = kind
  }

  record(notes: readonly ChangeNote[], now: Instant): Promise<void> {
    return this.#changes.run(queues[this.#kind].record, { notes, now })
  }

  async read(page: { readonly after: number; readonly limit: number }): Promise<readonly OutboxEntry[]> {
    const rows = await this.#database.all(queues[this.#kind].after, page)
    return rows.map(({ id, note, facts }) => ({
      id,
      note: note ?? undefined,
      facts: facts === null ? undefined : (JSON.parse(facts) as Facts),
    }))
  }

  forget(upTo: number): Promise<void> {
    return this.#changes.run('forgetNoted', { kind: this.#kind, upTo })
  }

  async size(): Promise<{ readonly rows: number; readonly bytes: number }> {
    const { rows, bytes } = (await this.#database.get(queues[this.#kind].size, {})) ?? { rows: 0, bytes: 0 }
    return { rows, bytes }
  }
}

export class SqlOutbox extends SqlQueue implements Outbox {
  readonly denials: NoteQueue
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
