import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import type { AdmissionRecord, DecisionRecords } from './admission-records.ts'
import type { PolicyChangeSeen } from './policy-review.ts'

/** A report as `audit/admission-event.ts` reads it. */
export type ReportedEvent = Readonly<Record<string, unknown>>

/** The registry will not take this report, however often it is sent. */
export class ReportRefused extends Error {}

export interface RecordQueueParts {
  /** Resolves when the registry has it durably. Rejects with ReportRefused, or with anything else to be tried again. */
  readonly send: (events: readonly ReportedEvent[], signal: AbortSignal) => Promise<void>
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly newId: () => string
  readonly log: Log
  readonly limits?: Partial<RecordLimits>
}

export interface RecordLimits {
  readonly events: number
  readonly bytes: number
  /** Milliseconds that a review waits for the registry. */
  readonly patience: number
  /** Milliseconds for one report. */
  readonly sending: number
  /** Milliseconds between two attempts, at first and at most. */
  readonly firstPause: number
  readonly longestPause: number
}

export interface RecordCounts {
  readonly waiting: number
  readonly waitingBytes: number
  readonly kept: number
  readonly lost: number
}

interface Waiting {
  readonly event: ReportedEvent
  readonly bytes: number
  readonly done: () => void
}

const usualLimits: RecordLimits = {
  events: 10_000,
  bytes: 16 * 1024 * 1024,
  patience: 500,
  sending: 2000,
  firstPause: 250,
  longestPause: 5000,
}
const report = { events: 256, bytes: 512 * 1024 }
const most = { images: 32, policies: 32, tenants: 32, groups: 32 }
const longestText = 1000

/**
 * Sends what was decided to the registry's audit. A review waits for that a moment, and not at all while the registry is away:
 * then records wait here, as many as there is room for. What finds no room is counted, and reported as a gap.
 */
export class RecordQueue implements DecisionRecords {
  readonly #parts: RecordQueueParts
  readonly #limits: RecordLimits
  readonly #waiting: Waiting[] = []
  readonly #end = new AbortController()
  #bytes = 0
  #kept = 0
  #lost = 0
  #gap: { count: number; readonly since: number; until: number } | undefined
  #isAway = false
  #running: Promise<void> | undefined

  constructor(parts: RecordQueueParts) {
    this.#parts = parts
    this.#limits = { ...usualLimits, ...parts.limits }
  }

  counts(): RecordCounts {
    return {
      waiting: this.#waiting.length,
      waitingBytes: this.#bytes,
      kept: this.#kept,
      lost: this.#lost,
    }
  }

  record(decision: AdmissionRecord): Promise<void> {
    return this.#take(decided(decision))
  }

  /** `hash`: of the spec as policies are hashed. */
  policy(
    { object, operation, user, groups, time }: PolicyChangeSeen,
    hash: string | undefined,
  ): Promise<void> {
    const id = this.#parts.newId()
    return this.#take({
      kind: 'policy',
      id,
      time: Math.floor(time),
      user,
      groups: some(groups, most.groups),
      operation,
      object,
      hash,
    })
  }

  observed(action: 'webhook-change' | 'break-glass', manager: string, reason: string): Promise<void> {
    const { newId, now } = this.#parts
    return this.#take({
      kind: 'observed',
      id: newId(),
      time: now(),
      action,
      manager: cut(manager),
      reason: cut(reason),
    })
  }

  /** Sends what waits, for `limit` milliseconds at most; says in the log what is left. */
  async close(limit: number): Promise<void> {
    const late = setTimeout(() => this.#end.abort(), limit)
    await this.#running
    clearTimeout(late)
    this.#end.abort()
    const left = this.#waiting.length + (this.#gap?.count ?? 0)
    if (left > 0) this.#parts.log.error('decisions are lost: the registry was away until the end', { left })
  }

  async #take(event: ReportedEvent): Promise<void> {
    const bytes = Buffer.byteLength(JSON.stringify(event))
    const { events, bytes: room, patience } = this.#limits
    if (this.#waiting.length >= events || this.#bytes + bytes > room) return this.#lose(1)
    const sent = Promise.withResolvers<void>()
    this.#waiting.push({ event, bytes, done: sent.resolve })
    this.#bytes += bytes
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
    if (this.#isAway) return
    const timer = setTimeout(sent.resolve, patience)
    await sent.promise
    clearTimeout(timer)
  }

  #lose(count: number): void {
    const now = this.#parts.now()
    this.#lost += count
    if (this.#gap === undefined) {
      this.#gap = { count: 0, since: now, until: now }
      this.#parts.log.error('decisions are lost: the registry does not take them, and no more fit here')
    }
    this.#gap.count += count
    this.#gap.until = now
  }

  async #run(): Promise<void> {
    let pause = this.#limits.firstPause
    while ((this.#waiting.length > 0 || this.#gap !== undefined) && !this.#end.signal.aborted) {
      if (await this.#send()) {
        pause = this.#limits.firstPause
        continue
      }
      await sleep(pause, this.#end.signal)
      pause = Math.min(pause * 2, this.#limits.longestPause)
    }
  }

  /** False: try again later. */
  async #send(): Promise<boolean> {
    const { log, send, newId, now } = this.#parts
    const batch = this.#next()
    const gap = batch.length === this.#waiting.length ? this.#gap : undefined
    const count = gap?.count ?? 0
    const events = batch.map(({ event }) => event)
    if (gap !== undefined) events.push({ kind: 'gap', id: newId(), time: now(), ...gap })
    const signal = AbortSignal.any([AbortSignal.timeout(this.#limits.sending), this.#end.signal])
    try {
      await send(events, signal)
      if (this.#isAway) log.info('the registry takes records of decisions again')
      this.#isAway = false
      this.#kept += batch.length
    } catch (error) {
      const reason = reasonOf(error)
      // A gap that is refused is tried again: there is nothing else to say it with.
      if (!(error instanceof ReportRefused) || batch.length === 0) {
        if (!this.#isAway)
          log.warn('the registry does not take records of decisions; they wait here', { reason })
        this.#isAway = true
        return false
      }
      log.error('the registry refuses records of decisions, which are lost', { reason, count: batch.length })
      this.#lose(batch.length)
      return this.#drop(batch)
    }
    this.#close(gap, count)
    return this.#drop(batch)
  }

  #drop(batch: readonly Waiting[]): true {
    this.#waiting.splice(0, batch.length)
    for (const { bytes, done } of batch) {
      this.#bytes -= bytes
      done()
    }
    return true
  }

  #next(): readonly Waiting[] {
    let bytes = 0
    const batch: Waiting[] = []
    for (const each of this.#waiting.slice(0, report.events - 1)) {
      bytes += each.bytes
      if (bytes > report.bytes && batch.length > 0) break
      batch.push(each)
    }
    return batch
  }

  /** More may have been lost while the report was on its way. */
  #close(gap: { count: number } | undefined, reported: number): void {
    if (gap === undefined || this.#gap === undefined) return
    const left = this.#gap.count - reported
    this.#gap = left > 0 ? { count: left, since: this.#gap.until, until: this.#gap.until } : undefined
  }
}

function decided({ id, time, review, outcome, judgement, tenants }: AdmissionRecord): ReportedEvent {
  const { operation, namespace, object, user } = review
  const images = 'images' in review ? review.images.map(({ image }) => image ?? '') : []
  const policy = (judgement?.findings ?? []).map((finding) => ({
    policy: finding.policy,
    outcome: finding.outcome,
    reason: finding.reason,
    rule: finding.rule && cut(finding.rule),
    exception: finding.exception,
  }))
  return {
    kind: 'decision',
    id,
    // The clock of policies has fractions.
    time: Math.floor(time),
    user: cut(user.name),
    groups: some(user.groups, most.groups),
    operation: cut(operation),
    namespace,
    object: cut(object),
    outcome,
    images: some(images, most.images),
    policy: policy.slice(0, most.policies),
    tenants: some(
      tenants.map(({ mode, text }) => `${mode}: ${text}`),
      most.tenants,
    ),
  }
}

function some(texts: readonly string[], count: number): readonly string[] {
  return texts.slice(0, count).map((text) => cut(text))
}

function cut(text: string): string {
  return text.length <= longestText ? text : `${text.slice(0, longestText - 1)}…`.toWellFormed()
}

function sleep(limit: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, limit)
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })
}
