import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { encodeAuditRecord, namedActor } from '../../audit/audit-record.ts'
import type { Log } from '../../log.ts'
import type { EncodedAuditRecord } from '../../metadata/outbox.ts'
import { reasonOf } from '../../reason-of.ts'
import type { FileChange } from './file-change.ts'

/** Milliseconds until a record that could not be written is tried again. */
const retryDelay = 1000

/**
 * Records the files of users and certificates that a running server has read again. Such a change is in force before it is
 * recorded, for a user who was removed must not stay because nothing can be written; the record is tried again until it
 * is durable.
 */
export class FileRecords {
  readonly #log: Log
  readonly #process: string
  readonly #now: () => number
  readonly #waiting: EncodedAuditRecord[] = []
  /** By file of certificates: two parts of a process may watch the same one, and each says the same change. */
  readonly #last = new Map<string, string>()
  #write: ((auditRecord: EncodedAuditRecord) => Promise<void>) | undefined
  #working: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined

  /** `process`: the name of this process, for those who share a registry. */
  constructor(parts: { readonly log: Log; readonly process: string; readonly now: () => number }) {
    this.#log = parts.log
    this.#process = parts.process
    this.#now = parts.now
  }

  /** Records wait until this is called. `write` resolves when a record is durable. */
  writeWith(write: (auditRecord: EncodedAuditRecord) => Promise<void>): void {
    this.#write = write
    this.#work()
  }

  add(change: FileChange): void {
    if (this.#isTold(change)) return
    this.#waiting.push(fileRecord(change, this.#process, this.#now()))
    this.#work()
  }

  /** The same user may get a new password twice, which looks the same, and is two changes. */
  #isTold(change: FileChange): boolean {
    if (change.action === 'users-change') return false
    const text = JSON.stringify(change)
    if (this.#last.get(change.file) === text) return true
    this.#last.set(change.file, text)
    return false
  }

  async close(): Promise<void> {
    clearTimeout(this.#retry)
    this.#write = undefined
    await this.#working
  }

  #work(): void {
    if (this.#write === undefined || this.#working !== undefined) return
    clearTimeout(this.#retry)
    this.#working = this.#writeAll().finally(() => (this.#working = undefined))
  }

  async #writeAll(): Promise<void> {
    for (
      let next = this.#waiting[0];
      next !== undefined && this.#write !== undefined;
      next = this.#waiting[0]
    ) {
      try {
        await this.#write(next)
        this.#waiting.shift()
      } catch (error) {
        this.#log.error('a changed file could not be recorded in the audit log; it is tried again', {
          reason: reasonOf(error),
        })
        this.#retry = setTimeout(() => this.#work(), retryDelay).unref()
        return
      }
    }
  }
}

function fileRecord({ action, file, change }: FileChange, process: string, now: number): EncodedAuditRecord {
  return encodeAuditRecord({
    id: randomUUID(),
    time: now,
    action,
    outcome: 'allowed',
    reason: action === 'users-change' ? 'the htpasswd file was read again' : 'certificates were read again',
    actor: namedActor(action === 'users-change' ? 'users-file' : 'certificate-file', ownerOf(file)),
    repository: undefined,
    reference: file,
    client: { address: '', userAgent: '' },
    request: { id: '', method: '', route: '' },
    status: undefined,
    facts: { change: { ...change, process } },
  })
}

function ownerOf(file: string): string {
  try {
    return `uid ${statSync(file).uid}`
  } catch {
    return ''
  }
}
