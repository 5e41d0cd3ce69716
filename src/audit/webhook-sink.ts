import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import { eachLog, logNames, type ChainedLine, type LogName } from './chain.ts'
import { systemEvent } from './cloud-event.ts'
import type { HeadStore } from './log-head.ts'
import { LogTail } from './log-tail.ts'
import type { AuditSink, SinkHealth } from './sink.ts'

/** One POST; resolves with any answer, rejects where there was none. Follows no redirects. */
export interface WebhookSender {
  send(request: {
    readonly headers: Readonly<Record<string, string>>
    readonly body: string
    readonly signal: AbortSignal
  }): Promise<{ readonly status: number; readonly retryAfter: number | undefined }>
}

export interface WebhookSinkParts {
  readonly folder: string
  readonly sender: WebhookSender
  /** Keeps how far it is. */
  readonly heads: HeadStore
  /** Of the receiver: any text; `whsec_` and base64 as Standard Webhooks writes it. */
  readonly secret: string
  readonly instance: string
  readonly say: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly newId: () => string
  /** Lines; further behind, it leaves the oldest out and says so. */
  readonly mostLag?: number
  /** Of a body, where it holds more than one event. */
  readonly mostBytes?: number
  /** Milliseconds after the first failure; doubled up to 60 times that. */
  readonly firstWait?: number
}

const position = 'sink-webhook'
const batch = 100
const usualMostBytes = 1024 * 1024

type Positions = Record<LogName, number>

/**
 * Sends all lines, at least once and in order, in batches (`application/cloudevents-batch+json`), signed as
 * https://www.standardwebhooks.com says: HMAC-SHA256 over id, time and body. The log itself is what waits.
 */
export class WebhookSink implements AuditSink {
  readonly name = 'webhook'
  readonly #parts: WebhookSinkParts
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
  }

  begin(last: Readonly<Positions>): void {
    Object.assign(this.#written, last)
    this.#running = this.#run(last).catch((error: unknown) => {
      if (this.#stop.signal.aborted) return
      this.#problem = reasonOf(error)
      this.#parts.say.error('the webhook of the audit has ended', { reason: this.#problem })
    })
  }

  written(log: LogName, lines: readonly string[]): void {
    this.#written[log] += lines.length
    this.#woken?.()
  }

  health(): SinkHealth {
    const lag = logNames.reduce((sum, log) => sum + this.#written[log] - this.#sent[log], 0)
    return {
      name: this.name,
      lag,
      problem: this.#problem,
      delivered: this.#delivered,
      skipped: this.#skipped,
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#woken?.()
    await this.#running
  }

  async #run(last: Readonly<Positions>): Promise<void> {
    const { folder, heads, mostLag = 1_000_000 } = this.#parts
    const kept = await heads.head(position)
    // Who is told for the first time is not told what was long ago. A log that is not in what was kept has begun since.
    if (kept === undefined) await heads.saveHead(position, JSON.stringify(last))
    Object.assign(this.#sent, kept === undefined ? last : (JSON.parse(kept) as Partial<Positions>))
    const tails: Partial<Record<LogName, LogTail>> = {}
    try {
      while (!this.#stop.signal.aborted) {
        let sent = false
        for (const log of logNames) {
          const begin = Math.max(this.#sent[log], this.#written[log] - mostLag)
          const left = begin - this.#sent[log]
          if (left > 0) {
            await tails[log]?.close()
            delete tails[log]
          }
          const tail = (tails[log] ??= new LogTail(folder, log, begin))
          const lines = await tail.next(batch, this.#written[log])
          if (lines.length + left > 0) await this.#deliver(log, lines, left)
          sent ||= lines.length > 0
        }
        if (!sent) await this.#wait()
      }
    } finally {
      for (const log of logNames) await tails[log]?.close()
    }
  }

  /** Until it was taken, or the sink is closed. */
  async #deliver(log: LogName, lines: readonly ChainedLine[], left: number): Promise<void> {
    const entries: Entry[] = lines.map(({ seq, event }) => ({ upTo: seq, text: event.toString() }))
    if (left > 0) {
      const from = this.#sent[log] + 1
      const upTo = from + left - 1
      entries.unshift({ upTo, text: this.#gap(log, from, upTo) })
    }
    for (const [index, part] of [...parts(entries, this.#parts.mostBytes ?? usualMostBytes)].entries()) {
      const upTo = part.at(-1)?.upTo ?? this.#sent[log]
      // Each part is a delivery of its own: receivers drop a second one with an id that they have seen.
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
      await this.#parts.heads.saveHead(position, JSON.stringify(this.#sent))
    }
  }

  async #post(id: string, events: readonly string[]): Promise<boolean> {
    const { sender, say, firstWait = 1000 } = this.#parts
    const body = `[${events.join(',')}]`
    for (let failures = 0; !this.#stop.signal.aborted; failures++) {
      let retryAfter: number | undefined
      try {
        const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(30_000)])
        const answer = await sender.send({ headers: this.#headers(id, body), body, signal })
        if (answer.status >= 200 && answer.status < 300) {
          if (this.#problem !== undefined) say.info('the webhook of the audit takes events again')
          this.#problem = undefined
          return true
        }
        retryAfter = answer.retryAfter
        this.#problem = `it answered ${answer.status}`
      } catch (error) {
        this.#problem = reasonOf(error)
      }
      if (this.#stop.signal.aborted) return false
      if (failures === 0) say.warn('the webhook of the audit takes no events', { reason: this.#problem })
      const wait = Math.max(firstWait * Math.min(2 ** failures, 60), Math.min(retryAfter ?? 0, 300_000))
      await sleep(wait, undefined, { signal: this.#stop.signal }).catch(() => {})
    }
    return false
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
    return new Promise((resolve) => {
      this.#woken = () => {
        this.#woken = undefined
        resolve()
      }
    })
  }
}

/** One event and the number of the last line that it stands for. */
interface Entry {
  readonly upTo: number
  readonly text: string
}

/** No body is larger than receivers take, unless one event is. */
function* parts(entries: readonly Entry[], mostBytes: number): Generator<readonly Entry[]> {
  let part: Entry[] = []
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
