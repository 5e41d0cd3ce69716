import type { LogName } from './chain.ts'

/** Receives lines that are already in the log, for another destination. Never delays the writer. */
export interface AuditSink {
  readonly name: string
  /** Called once, before any line is written, with the number of the last line of each log. */
  begin(last: Readonly<Record<LogName, number>>): void
  /** Lines without newlines, as they are in the log. */
  written(log: LogName, lines: readonly string[]): void
  health(): SinkHealth
  close(): Promise<void>
}

export interface SinkHealth {
  readonly name: string
  /** Lines that are not delivered yet. */
  readonly lag: number
  /** Why delivery fails at the moment. */
  readonly problem: string | undefined
  readonly delivered: number
  /** Lines that were never delivered, because the sink was too far behind. */
  readonly skipped: number
}

/** Writes each line as it is in the log; for standard output. */
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
