import { DenialRation, mergedNote, type CountedAccess, type DenialLimits } from './denial-ration.ts'
import type { DenialTable } from './denial-table.ts'
import { encodeNote, type AuditActor, type AuditNote, type PolicyNote } from './audit-note.ts'
import type { MergedAccess } from './minute-merger.ts'

export interface AccessMergerParts {
  /** Takes what was counted, at most once in `interval`, and when there is much of it. */
  readonly report: (batch: readonly MergedAccess[]) => void
  /** Resolves when the notes are durable: the outbox. */
  readonly record: (notes: readonly string[]) => Promise<void>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds. */
  readonly interval?: number
  /** How many different accesses are held at most. */
  readonly limit?: number
  /** What all workers know of the denials of a minute. */
  readonly denials: DenialTable
  readonly denialLimits?: DenialLimits
}

interface Entry {
  readonly access: CountedAccess
  readonly note: AuditNote
  readonly first: number
  count: number
  last: number
}

interface Denial {
  readonly entry: Entry
  /** Of the request that the record is of; undefined: of many. */
  readonly id: string | undefined
  /** Until then equal ones are only counted. */
  readonly until: number
  readonly recorded: Promise<void>
}

const minute = 60_000

/**
 * A worker's side of the audit: counts equal accesses, so that their cost does not grow with their number. Allowed ones are
 * reported within `interval`; the first of equal denials in a minute is recorded before it may be answered.
 */
export class AccessMerger {
  readonly #parts: AccessMergerParts
  readonly #interval: number
  readonly #limit: number
  /** By caller, address and reference; the few that differ in the rest stand in a list. */
  #allowed = new Map<AuditActor, Map<string, Map<string, Entry[]>>>()
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

  /** `describe` is called for the first of equal ones only. */
  allowed(access: CountedAccess, describe: () => AuditNote): void {
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
    entries.push({ access, note: describe(), first: now, last: now, count: 1 })
    if (++this.#held >= this.#limit) this.flush()
    else this.#flushSoon()
  }

  /**
   * Resolves when the denial, or an equal one of the last minute, is durable: with the id of the request that the record names;
   * undefined where it names several. Rejects where it cannot be recorded
   * (OciError UNAVAILABLE or STORAGE_FULL): then the reply must say so instead. Above a rate those of one address equal
   * each other.
   */
  denied(access: CountedAccess, describe: () => AuditNote): Promise<string | undefined> {
    const now = this.#parts.now()
    const key = keyOf(access, 'denied')
    if (this.#isCounted(key, now)) return this.#count(key, access, describe, now)
    const merged = this.#ration.merge(access, now)
    if (merged === undefined) return this.#count(key, access, describe, now)
    return this.#count(keyOf(merged, 'denied'), merged, () => mergedNote(describe(), merged), now, true)
  }

  #isCounted(key: string, now: number): boolean {
    const known = this.#denials.get(key)
    return known !== undefined && now < known.until
  }

  /** `ofAll`: its first is recorded by one of all workers. */
  async #count(
    key: string,
    access: CountedAccess,
    describe: () => AuditNote,
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
    const note = describe()
    const id = ofAll ? undefined : note.request.id
    const entry: Entry = { access, note, first: now, last: now, count: 0 }
    const record = (): Promise<void> => this.#parts.record([encodeNote(note)])
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

  async #recordOnce(key: string, entry: Entry, record: () => Promise<void>): Promise<void> {
    if (!(await this.#ration.once(key, entry.first, record))) this.#countIn(entry, entry.first)
  }

  #countIn(entry: Entry, now: number): void {
    entry.count++
    entry.last = Math.max(entry.last, now)
    this.#flushSoon()
  }

  /** Reports all that was counted. */
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

  #entriesOf({ actor, address, reference = '' }: CountedAccess): Entry[] {
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

function merged(key: string, { note, count, first, last }: Entry, denied: boolean): MergedAccess {
  return { key, note: encodeNote(note), count, first, last, denied }
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
  one: readonly PolicyNote[] | undefined,
  other: readonly PolicyNote[] | undefined,
): boolean {
  if (one === other) return true
  return one !== undefined && other !== undefined && JSON.stringify(one) === JSON.stringify(other)
}
