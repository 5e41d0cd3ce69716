import type { ChangeNote, Facts, Outbox, OutboxEntry } from '../outbox.ts'
import type { Instant } from '../records.ts'
import { auditKeySetting, headSetting } from './change-outbox.ts'
import type { ChangeRunner } from './changes.ts'
import { notesAfter, outboxSize } from './statements/reads.ts'
import { settingByName } from './statements/settings.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

export class SqlOutbox implements Outbox {
  readonly #database: SqliteDatabase
  readonly #changes: ChangeRunner

  constructor(parts: { readonly database: SqliteDatabase; readonly changes: ChangeRunner }) {
    this.#database = parts.database
    this.#changes = parts.changes
  }

  record(notes: readonly ChangeNote[], now: Instant): Promise<void> {
    return this.#changes.run('recordNotes', { notes, now })
  }

  read(page: { readonly after: number; readonly limit: number }): Promise<readonly OutboxEntry[]> {
    return Promise.resolve(
      this.#database.all(notesAfter, page).map(({ id, note, facts }) => ({
        id,
        note: note ?? undefined,
        facts: facts === null ? undefined : (JSON.parse(facts) as Facts),
      })),
    )
  }

  forget(upTo: number): Promise<void> {
    return this.#changes.run('forgetNoted', { upTo })
  }

  size(): Promise<{ readonly rows: number; readonly bytes: number }> {
    const { rows, bytes } = this.#database.get(outboxSize, {}) ?? { rows: 0, bytes: 0 }
    return Promise.resolve({ rows, bytes })
  }

  saveHead(log: string, head: string): Promise<void> {
    return this.#changes.run('saveHead', { log, head })
  }

  head(log: string): Promise<string | undefined> {
    return Promise.resolve(this.#setting(headSetting(log)))
  }

  async saveKey(key: string): Promise<string> {
    await this.#changes.run('saveAuditKey', { key })
    return this.#setting(auditKeySetting) ?? key
  }

  key(): Promise<string | undefined> {
    return Promise.resolve(this.#setting(auditKeySetting))
  }

  #setting(name: string): string | undefined {
    return this.#database.get(settingByName, { name })?.value
  }
}
