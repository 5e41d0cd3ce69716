import type { Merged } from './cloud-event.ts'

/** Equal accesses of one caller since the last report; plain data, for another thread. */
export interface MergedAccess {
  readonly key: string
  /** Of the first of them: `encodeNote`. */
  readonly note: string
  readonly count: number
  /** Milliseconds since the epoch. */
  readonly first: number
  readonly last: number
  /** A denial: one that equals them has been recorded by itself. */
  readonly denied: boolean
}

/** A line that is to be written: one access, or several equal ones. */
export interface MergedLine {
  readonly note: string
  /** Later ones of a minute are another event than the first. */
  readonly again: boolean
  readonly denied: boolean
  readonly merged: Merged
}

interface Minute {
  readonly note: string
  readonly denied: boolean
  readonly end: number
  merged: Merged | undefined
}

const minute = 60_000

/** Merges what all workers report: the first of a minute goes on at once, the rest as one when the minute ends. */
export class MinuteMerger {
  readonly #limit: number
  /** In the order in which they end. */
  readonly #minutes = new Map<string, Minute>()

  constructor({ limit = 50_000 }: { readonly limit?: number } = {}) {
    this.#limit = limit
  }

  /** What is to be written now. */
  add(batch: readonly MergedAccess[], now: number): MergedLine[] {
    const lines = this.expire(now)
    for (const { key, note, count, first, last, denied } of batch) {
      const merged = { count, first, last }
      const known = this.#minutes.get(key)
      if (known !== undefined) {
        known.merged = join(known.merged, merged)
        continue
      }
      // Whoever asks for ever other things is not to fill the memory: then each report is a line.
      const room = this.#minutes.size < this.#limit
      if (room)
        this.#minutes.set(key, { note, denied, end: now + minute, merged: denied ? merged : undefined })
      if (!denied || !room) lines.push({ note, again: denied, denied, merged })
    }
    return lines
  }

  /** Of the minutes that have ended. */
  expire(now: number): MergedLine[] {
    const lines: MergedLine[] = []
    for (const [key, { note, denied, end, merged }] of this.#minutes) {
      if (end > now) break
      this.#minutes.delete(key)
      if (merged !== undefined) lines.push({ note, again: true, denied, merged })
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
