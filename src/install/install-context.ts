import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import type { Fault } from '../cluster/grouped-faults.ts'
import type { CanaryImage } from '../oci/canary-image.ts'
import type { InstallSettings } from './install-settings.ts'
import type { Remembered } from './remembered.ts'

/** Receives the progress of an install. */
export interface Progress {
  /** A step begins; the one before it has ended. */
  start(title: string): void
  /** Why the step is not done yet: the complete list, at each look. */
  state(reasons: readonly Fault[]): void
  /** The step has succeeded. */
  end(title: string, milliseconds: number): void
  warn(message: string): void
}

/** Everything that an install works with. */
export interface InstallContext {
  readonly cluster: ClusterObjects
  readonly settings: InstallSettings
  readonly remembered: Remembered | undefined
  /** The version of this trow. */
  readonly version: string
  readonly schema: number
  readonly image: { readonly reference: string; readonly isDefault: boolean }
  /** Takes fields over from other field managers. */
  readonly forceConflicts: boolean
  /** Removes trow's objects that are no longer wanted. */
  readonly prune: boolean
  /** Milliseconds since the epoch at which waiting ends. */
  readonly deadline: number
  readonly progress: Progress
  /** Rejects when the signal aborts. */
  readonly sleep: (milliseconds: number) => Promise<void>
  readonly now: () => number
  readonly crypto: Crypto
  readonly signal: AbortSignal
  /** Pushes through the API server, with the identity of the user who installs. */
  readonly pushCanary: (image: CanaryImage) => Promise<void>
}

/** Runs one step, and reports its begin and its duration. */
export async function step<T>(context: InstallContext, title: string, run: () => Promise<T>): Promise<T> {
  const { progress, now, signal } = context
  signal.throwIfAborted()
  const begin = now()
  progress.start(title)
  const result = await run()
  progress.end(title, now() - begin)
  return result
}
