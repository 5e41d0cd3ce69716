import type { LogName } from './chain.ts'

/** Takes what is in the log already, for others. Never holds up the writer. */
export interface AuditSink {
  readonly name: string
  /** Called once, before anything is written: the number of the last line of each log. */
  begin(last: Readonly<Record<LogName, number>>): void
  /** Lines without newlines, as they are in the log. */
  written(log: LogName, lines: readonly string[]): void
  health(): SinkHealth
  close(): Promise<void>
}

export interface SinkHealth {
  readonly name: string
  /** Lines that it does not have yet. */
  readonly lag: number
  /** Why it does not take them now. */
  readonly problem: string | undefined
  readonly delivered: number
  /** Never delivered: it was too far behind. */
  readonly skipped: number
}

/** Each line as it is in the log; for standard output. */
export class LineSink implements AuditSink {
  readonly name: string
  readonly #write: (text: string) => void
  #delivered = 0

  constructor(name: string, write: (text: string) => void) {
    this.name = name
    this.#write = write
  }

  begin(): void {}

  written(_log: LogName, lines: readonly string[]): void {
    this.#delivered += lines.length
    this.#write(`${lines.join('\n')}\n`)
  }

  health(): SinkHealth {
    return { name: this.name, lag: 0, problem: undefined, delivered: this.#delivered, skipped: 0 }
  }

  async close(): Promise<void> {}
}
