import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import { eachLog, logNames, type ChainedLine, type LogName } from './chain.ts'
import { systemEvent } from './cloud-event.ts'
import type { HeadStore } from './log-head.ts'
import type { AuditLines, LogCursor } from './audit-store.ts'
import { KeptTurn, type SinkTurn } from './sink-turn.ts'
import type { AuditSink, SinkHealth } from './sink.ts'

/** Sends one POST. Resolves with any answer and rejects if there was none. Follows no redirects. */
export interface WebhookSender {
  send(request: {
    readonly headers: Readonly<Record<string, string>>
    readonly body: string
    readonly signal: AbortSignal
  }): Promise<{ readonly status: number; readonly retryAfter: number | undefined }>
}

export interface WebhookSinkParts {
  readonly lines: AuditLines
  readonly sender: WebhookSender
  /** Stores the position up to which events were delivered. */
  readonly heads: HeadStore
  /** The key shared with the receiver: any text, or `whsec_` and base64 as in Standard Webhooks. */
  readonly secret: string
  /** Undefined: no other process writes the log. */
  readonly turn?: SinkTurn | undefined
  /** Milliseconds after which the turn is taken again. */
  readonly turnEvery?: number
  readonly instance: string
  readonly logger: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly newId: () => string
  /** Lines. A sink that is further behind skips the oldest lines and sends an event about the gap. */
  readonly mostLag?: number
  /** Bytes of a body that holds more than one event. */
  readonly mostBytes?: number
  /** Milliseconds to wait after the first failure; each failure doubles it, up to 60 times that. */
  readonly firstWait?: number
}

const position = 'sink-webhook'
const batch = 100
const usualMostBytes = 1024 * 1024
/** Milliseconds between two looks whose turn it is, and for lines of other processes. */
const turnEvery = 1000
const lookEvery = 200

type Positions = Record<LogName, number>

/**
 * Sends all lines at least once and in order, in batches (`application/cloudevents-batch+json`). Each batch
 * is signed as in https://www.standardwebhooks.com: HMAC-SHA256 over id, time and body. Undelivered lines are
 * read from the log itself; there is no queue.
 */
export class WebhookSink implements AuditSink {
  readonly name = 'webhook'
  readonly #parts: WebhookSinkParts
  readonly #turn: KeptTurn
  readonly #stop = new AbortController()
  readonly #written: Positions = eachLog(() => 0)
  readonly #sent: Positions = eachLog(() => 0)
  #woken: (() => void) | undefined
  #running: Promise<void> | undefined
  #problem: string | undefined
  #delivered = 0
  #skipped = 0

  constructor(parts: WebhookSinkParts) {
    this.#parts = parts
    this.#turn = new KeptTurn(parts.turn, parts.turnEvery)
  }

  begin(last: Readonly<Positions>): void {
    Object.assign(this.#written, last)
    this.#running = this.#run(last)
  }

  written(log: LogName, lines: readonly string[]): void {
    this.#written[log] += lines.length
    this.#woken?.()
  }

  health(): SinkHealth {
    const lag = logNames.reduce((sum, log) => sum + this.#written[log] - this.#sent[log], 0)
    const isSending = this.#turn.isHeld
    return {
      name: this.name,
      lag: isSending ? lag : 0,
      problem: isSending ? this.#problem : undefined,
      delivered: this.#delivered,
      skipped: this.#skipped,
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#woken?.()
    await this.#running
    // Where that fails, another process takes the turn after a minute.
    await this.#turn.release().catch(() => {})
  }

  /** Sends while it is this process's turn. What fails is tried again from the position that is kept. */
  async #run(last: Readonly<Positions>): Promise<void> {
    for (let failures = 0; !this.#stop.signal.aborted; failures++) {
      try {
        await this.#send(last)
        failures = 0
      } catch (error) {
        if (this.#stop.signal.aborted) return
        this.#problem = reasonOf(error)
        if (failures === 0)
          this.#parts.logger.warn('the webhook of the audit cannot read the log', { reason: this.#problem })
      }
      await this.#sleep(turnEvery)
    }
  }

  /** Returns when it is another process's turn. */
  async #send(last: Readonly<Positions>): Promise<void> {
    if (!(await this.#turn.holds())) return
    await this.#load(last)
    const { lines: log, mostLag = 1_000_000 } = this.#parts
    const tails: Partial<Record<LogName, LogCursor>> = {}
    try {
      while (!this.#stop.signal.aborted && (await this.#turn.holds())) {
        if (!this.#turn.isAlone) for (const name of logNames) this.#written[name] = await log.last(name)
        let sent = false
        for (const name of logNames) {
          const begin = Math.max(this.#sent[name], this.#written[name] - mostLag)
          const left = begin - this.#sent[name]
          if (left > 0) {
            await tails[name]?.close()
            delete tails[name]
          }
          const tail = (tails[name] ??= log.follow(name, begin))
          const lines = await tail.next(batch, this.#written[name])
          if (lines.length + left > 0) await this.#deliver(name, lines, left)
          sent ||= lines.length > 0
        }
        if (!sent) await this.#wait()
      }
    } finally {
      for (const name of logNames) await tails[name]?.close()
    }
  }

  async #load(last: Readonly<Positions>): Promise<void> {
    const { heads } = this.#parts
    const kept = await heads.head(position)
    // A new receiver gets no old events. A log without a stored position has begun after that position was
    // stored.
    if (kept === undefined) await heads.saveHead(position, JSON.stringify(last))
    Object.assign(this.#sent, kept === undefined ? last : (JSON.parse(kept) as Partial<Positions>))
  }

  /** Tries until the receiver has accepted the lines or the sink is closed. */
  async #deliver(log: LogName, lines: readonly ChainedLine[], left: number): Promise<void> {
    const entries: QueuedEvent[] = lines.map(({ seq, event }) => ({ upTo: seq, text: event.toString() }))
    if (left > 0) {
      const from = this.#sent[log] + 1
      const upTo = from + left - 1
      entries.unshift({ upTo, text: this.#gap(log, from, upTo) })
    }
    for (const [index, part] of [...parts(entries, this.#parts.mostBytes ?? usualMostBytes)].entries()) {
      const upTo = part.at(-1)?.upTo ?? this.#sent[log]
      // Each part has its own id: receivers discard a second delivery with an id that they have seen.
      if (
        !(await this.#post(
          `${log}-${this.#sent[log] + 1}-${upTo}`,
          part.map(({ text }) => text),
        ))
      )
        return
      const hasGap = left > 0 && index === 0
      if (hasGap) this.#skipped += left
      this.#delivered += part.length - (hasGap ? 1 : 0)
      this.#sent[log] = upTo
      if (!(await this.#turn.holds())) return
      await this.#parts.heads.saveHead(position, JSON.stringify(this.#sent))
    }
  }

  async #post(id: string, events: readonly string[]): Promise<boolean> {
    const { sender, logger, firstWait = 1000 } = this.#parts
    const body = `[${events.join(',')}]`
    for (let failures = 0; !this.#stop.signal.aborted; failures++) {
      let retryAfter: number | undefined
      try {
        const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(30_000)])
        const answer = await sender.send({ headers: this.#headers(id, body), body, signal })
        if (answer.status >= 200 && answer.status < 300) {
          if (this.#problem !== undefined) logger.info('the webhook of the audit takes events again')
          this.#problem = undefined
          return true
        }
        retryAfter = answer.retryAfter
        this.#problem = `it answered ${answer.status}`
      } catch (error) {
        this.#problem = reasonOf(error)
      }
      if (this.#stop.signal.aborted) return false
      if (failures === 0) logger.warn('the webhook of the audit takes no events', { reason: this.#problem })
      const wait = Math.max(firstWait * Math.min(2 ** failures, 60), Math.min(retryAfter ?? 0, 300_000))
      if (!(await this.#pause(wait))) return false
    }
    return false
  }

  /** Waits, and keeps the turn meanwhile; false: it is another process's now. */
  async #pause(wait: number): Promise<boolean> {
    for (let left = wait; left > 0; left -= turnEvery) {
      await this.#sleep(Math.min(left, turnEvery))
      if (this.#stop.signal.aborted || !(await this.#turn.holds())) return false
    }
    return true
  }

  async #sleep(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: this.#stop.signal }).catch(() => {})
  }

  #headers(id: string, body: string): Record<string, string> {
    const { secret, now } = this.#parts
    const timestamp = String(Math.floor(now() / 1000))
    const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret)
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
    return {
      'content-type': 'application/cloudevents-batch+json; charset=utf-8',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
    }
  }

  #gap(log: LogName, from: number, to: number): string {
    const { newId, now, instance } = this.#parts
    const data = {
      sink: this.name,
      log,
      reason: 'the receiver was too far behind',
      count: to - from + 1,
      missing: { from, to },
    }
    return systemEvent({ id: newId(), time: now(), kind: 'gap', data }, `/trow/${instance}`)
  }

  #wait(): Promise<void> {
    if (this.#stop.signal.aborted || logNames.some((log) => this.#written[log] > this.#sent[log]))
      return sleep(50)
    // Lines of other processes wake nobody here.
    if (!this.#turn.isAlone) return this.#sleep(lookEvery)
    return new Promise((resolve) => {
      this.#woken = () => {
        this.#woken = undefined
        resolve()
      }
    })
  }
}

/** One event, and the number of the last line that it stands for. */
interface QueuedEvent {
  readonly upTo: number
  readonly text: string
}

/** Splits entries into bodies of at most `mostBytes`; only a single event may be larger. */
function* parts(entries: readonly QueuedEvent[], mostBytes: number): Generator<readonly QueuedEvent[]> {
  let part: QueuedEvent[] = []
  let size = 0
  for (const entry of entries) {
    const bytes = Buffer.byteLength(entry.text)
    if (part.length > 0 && size + bytes > mostBytes) {
      yield part
      part = []
      size = 0
    }
    part.push(entry)
    size += bytes
  }
  yield part
}
