import { DenialRation, mergedAuditRecord, type CountedAccess, type DenialLimits } from './denial-ration.ts'
import type { DenialTable } from './denial-table.ts'
import { encodeAuditRecord, type AuditActor, type AuditRecord, type PolicyRecord } from './audit-record.ts'
import type { MergedAccess } from './minute-merger.ts'

export interface AccessMergerParts {
  /** Sends the counted accesses, at most once per `interval`, or earlier when `limit` is reached. */
  readonly report: (batch: readonly MergedAccess[]) => void
  /** Writes audit records to the outbox. Resolves when they are durable. */
  readonly record: (auditRecords: readonly string[]) => Promise<void>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds between two reports. */
  readonly interval?: number
  /** The number of different accesses held at most. */
  readonly limit?: number
  /** The denials of the current minute, shared by all workers. */
  readonly denials: DenialTable
  readonly denialLimits?: DenialLimits
}

interface AccessCount {
  readonly access: CountedAccess
  readonly auditRecord: AuditRecord
  readonly first: number
  count: number
  last: number
}

interface Denial {
  readonly entry: AccessCount
  /** The id of the request that the record names; undefined: the record stands for many requests. */
  readonly id: string | undefined
  /** Until this time equal denials are only counted. */
  readonly until: number
  readonly recorded: Promise<void>
}

const minute = 60_000

/**
 * The worker's side of the audit. It counts equal accesses, so that their cost does not grow with their
 * number. Allowed accesses are reported within `interval`. Of equal denials in a minute, the first is
 * recorded before its reply may be sent.
 */
export class AccessMerger {
  readonly #parts: AccessMergerParts
  readonly #interval: number
  readonly #limit: number
  /**
   * Keyed by caller, address and reference. Accesses that differ only in other fields are in a list, which is
   * short.
   */
  #allowed = new Map<AuditActor, Map<string, Map<string, AccessCount[]>>>()
  #held = 0
  readonly #denials = new Map<string, Denial>()
  readonly #ration: DenialRation
  #timer: NodeJS.Timeout | undefined

  constructor(parts: AccessMergerParts) {
    this.#parts = parts
    this.#interval = parts.interval ?? 1000
    this.#limit = parts.limit ?? 10_000
    this.#ration = new DenialRation(parts.denials, parts.denialLimits)
  }

  /** `describe` is called only for the first of equal accesses. */
  allowed(access: CountedAccess, describe: () => AuditRecord): void {
    const entries = this.#entriesOf(access)
    for (const entry of entries) {
      const known = entry.access
      if (
        known.repository === access.repository &&
        known.action === access.action &&
        known.status === access.status &&
        known.reason === access.reason &&
        isSamePolicy(known.policy, access.policy)
      ) {
        entry.count++
        entry.last = this.#parts.now()
        return
      }
    }
    const now = this.#parts.now()
    entries.push({ access, auditRecord: describe(), first: now, last: now, count: 1 })
    if (++this.#held >= this.#limit) this.flush()
    else this.#flushSoon()
  }

  /**
   * Resolves when this denial, or an equal one of the last minute, is durable: with the id of the request
   * that the record names, or undefined where the record stands for several requests. Rejects where the
   * denial cannot be recorded (OciError UNAVAILABLE or STORAGE_FULL): then the reply must say so instead.
   * Above a rate, all denials of one address count as equal.
   */
  denied(access: CountedAccess, describe: () => AuditRecord): Promise<string | undefined> {
    const now = this.#parts.now()
    const key = keyOf(access, 'denied')
    if (this.#isCounted(key, now)) return this.#count(key, access, describe, now)
    const merged = this.#ration.merge(access, now)
    if (merged === undefined) return this.#count(key, access, describe, now)
    return this.#count(
      keyOf(merged, 'denied'),
      merged,
      () => mergedAuditRecord(describe(), merged),
      now,
      true,
    )
  }

  #isCounted(key: string, now: number): boolean {
    const known = this.#denials.get(key)
    return known !== undefined && now < known.until
  }

  /** With `ofAll`, one of all workers records the first of these denials. */
  async #count(
    key: string,
    access: CountedAccess,
    describe: () => AuditRecord,
    now: number,
    ofAll = false,
  ): Promise<string | undefined> {
    const known = this.#denials.get(key)
    if (known !== undefined && now < known.until) {
      this.#countIn(known.entry, now)
      await known.recorded
      return known.id
    }
    if (known !== undefined || this.#denials.size >= this.#limit) this.flush()
    const auditRecord = describe()
    const id = ofAll ? undefined : auditRecord.request.id
    const entry: AccessCount = { access, auditRecord, first: now, last: now, count: 0 }
    const record = (): Promise<void> => this.#parts.record([encodeAuditRecord(auditRecord)])
    const isHeld = this.#denials.size < this.#limit
    const recorded = ofAll && isHeld ? this.#recordOnce(key, entry, record) : record()
    const denial: Denial = { entry, id, until: now + minute, recorded }
    if (isHeld) this.#denials.set(key, denial)
    try {
      await recorded
      return id
    } catch (error) {
      if (this.#denials.get(key) === denial) this.#denials.delete(key)
      throw error
    }
  }

  async #recordOnce(key: string, entry: AccessCount, record: () => Promise<void>): Promise<void> {
    if (!(await this.#ration.once(key, entry.first, record))) this.#countIn(entry, entry.first)
  }

  #countIn(entry: AccessCount, now: number): void {
    entry.count++
    entry.last = Math.max(entry.last, now)
    this.#flushSoon()
  }

  /** Reports everything counted so far. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch: MergedAccess[] = []
    for (const addresses of this.#allowed.values()) {
      for (const references of addresses.values()) {
        for (const entries of references.values()) {
          for (const entry of entries) batch.push(merged(keyOf(entry.access, 'allowed'), entry, false))
        }
      }
    }
    this.#allowed = new Map()
    this.#held = 0
    const now = this.#parts.now()
    for (const [key, { entry, until }] of this.#denials) {
      if (entry.count > 0) batch.push(merged(key, entry, true))
      entry.count = 0
      if (now >= until) this.#denials.delete(key)
    }
    if (batch.length > 0) this.#parts.report(batch)
  }

  #entriesOf({ actor, address, reference = '' }: CountedAccess): AccessCount[] {
    let addresses = this.#allowed.get(actor)
    if (addresses === undefined) this.#allowed.set(actor, (addresses = new Map()))
    let references = addresses.get(address)
    if (references === undefined) addresses.set(address, (references = new Map()))
    let entries = references.get(reference)
    if (entries === undefined) references.set(reference, (entries = []))
    return entries
  }

  #flushSoon(): void {
    this.#timer ??= setTimeout(() => this.flush(), this.#interval).unref()
  }
}

function merged(
  key: string,
  { auditRecord, count, first, last }: AccessCount,
  denied: boolean,
): MergedAccess {
  return { key, auditRecord: encodeAuditRecord(auditRecord), count, first, last, denied }
}

function keyOf(access: CountedAccess, outcome: string): string {
  const { actor, address, repository, reference, action, reason, status, policy } = access
  return JSON.stringify([
    outcome,
    actor.kind,
    actor.name,
    actor.credentialId,
    address,
    repository,
    reference,
    action,
    reason,
    status,
    policy,
  ])
}

function isSamePolicy(
  one: readonly PolicyRecord[] | undefined,
  other: readonly PolicyRecord[] | undefined,
): boolean {
  if (one === other) return true
  return one !== undefined && other !== undefined && JSON.stringify(one) === JSON.stringify(other)
}
