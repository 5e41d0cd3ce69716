import type { Merged } from './cloud-event.ts'

/** Equal accesses of one caller since the last report. Plain data for another thread. */
export interface MergedAccess {
  readonly key: string
  /** The audit record of the first of them, encoded by `encodeAuditRecord`. */
  readonly auditRecord: string
  readonly count: number
  /** Milliseconds since the epoch. */
  readonly first: number
  readonly last: number
  /** These are denials; an equal denial has already been recorded by itself. */
  readonly denied: boolean
}

/** A line to be written, for one access or several equal ones. */
export interface MergedLine {
  readonly auditRecord: string
  /** The line stands for later accesses of a minute, so it needs an id of its own. */
  readonly again: boolean
  readonly denied: boolean
  readonly merged: Merged
}

interface Minute {
  readonly auditRecord: string
  readonly denied: boolean
  readonly end: number
  merged: Merged | undefined
}

const minute = 60_000

/**
 * Merges the reports of all workers: the first access of a minute is written at once, the rest as one line
 * when the minute ends.
 */
export class MinuteMerger {
  readonly #limit: number
  /** Ordered by end time. */
  readonly #minutes = new Map<string, Minute>()

  constructor({ limit = 50_000 }: { readonly limit?: number } = {}) {
    this.#limit = limit
  }

  /** Returns the lines to be written now. */
  add(batch: readonly MergedAccess[], now: number): MergedLine[] {
    const lines = this.expire(now)
    for (const { key, auditRecord, count, first, last, denied } of batch) {
      const merged = { count, first, last }
      const known = this.#minutes.get(key)
      if (known !== undefined) {
        known.merged = join(known.merged, merged)
        continue
      }
      // A caller that requests ever different content must not fill the memory: beyond the limit, each report
      // is a line.
      const room = this.#minutes.size < this.#limit
      if (room)
        this.#minutes.set(key, {
          auditRecord,
          denied,
          end: now + minute,
          merged: denied ? merged : undefined,
        })
      if (!denied || !room) lines.push({ auditRecord, again: denied, denied, merged })
    }
    return lines
  }

  /** Returns the lines of minutes that have ended. */
  expire(now: number): MergedLine[] {
    const lines: MergedLine[] = []
    for (const [key, { auditRecord, denied, end, merged }] of this.#minutes) {
      if (end > now) break
      this.#minutes.delete(key)
      if (merged !== undefined) lines.push({ auditRecord, again: true, denied, merged })
    }
    return lines
  }
}

function join(one: Merged | undefined, other: Merged): Merged {
  if (one === undefined) return other
  return {
    count: one.count + other.count,
    first: Math.min(one.first, other.first),
    last: Math.max(one.last, other.last),
  }
}
