import type { DeveloperMachine } from '../trust/docker/machine.ts'

export interface SourceOptions {
  /** The base of relative paths. */
  readonly cwd: string
  /** Called only for an image of an engine. */
  readonly machine: () => Promise<DeveloperMachine>
  /** The value of `--engine`. */
  readonly engine: string | undefined
  readonly say: (line: string) => void
  /** Aborts the copy to a temporary file. */
  readonly signal: AbortSignal
}
