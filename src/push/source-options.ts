import type { DeveloperMachine } from '../trust/docker/machine.ts'

export interface SourceOptions {
  /** Relative paths begin here. */
  readonly cwd: string
  /** Called only for an image of an engine. */
  readonly machine: () => Promise<DeveloperMachine>
  /** `--engine`. */
  readonly engine: string | undefined
  readonly say: (line: string) => void
  /** Ends the reading of what goes through a file. */
  readonly signal: AbortSignal
}
