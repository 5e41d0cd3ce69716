import type { Terminal } from '../streams.ts'

export interface SourceOptions {
  readonly terminal: Terminal
  /** `--engine`. */
  readonly engine: string | undefined
  readonly say: (line: string) => void
  /** Ends the reading of what goes through a file. */
  readonly signal: AbortSignal
}
