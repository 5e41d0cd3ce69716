import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import type { Fault } from '../cluster/grouped-faults.ts'
import type { CanaryImage } from './canary-image.ts'
import type { InstallSettings } from './install-settings.ts'
import type { Remembered } from './remembered.ts'

/** What a person sees of an install. */
export interface Progress {
  /** A step begins; the one before it has ended. */
  start(title: string): void
  /** Why the step is not done yet: all of it, each time that it is looked at. */
  state(reasons: readonly Fault[]): void
  /** The step has ended well. */
  end(title: string, milliseconds: number): void
  warn(message: string): void
}

/** Everything that an install works with. */
export interface InstallContext {
  readonly cluster: ClusterObjects
  readonly settings: InstallSettings
  readonly remembered: Remembered | undefined
  /** Of this trow. */
  readonly version: string
  readonly schema: number
  readonly image: { readonly reference: string; readonly isDefault: boolean }
  /** Takes fields over from other field managers. */
  readonly forceConflicts: boolean
  /** Removes objects of trow that are not wanted any more. */
  readonly prune: boolean
  /** Milliseconds since the epoch at which waiting ends. */
  readonly deadline: number
  readonly progress: Progress
  /** Rejects when the signal ends. */
  readonly sleep: (milliseconds: number) => Promise<void>
  readonly now: () => number
  readonly crypto: Crypto
  readonly signal: AbortSignal
  /** Pushes through the API server, as whoever installs. */
  readonly pushCanary: (image: CanaryImage) => Promise<void>
}

/** Runs one step, and says when it begins and how long it took. */
export async function step<T>(context: InstallContext, title: string, run: () => Promise<T>): Promise<T> {
  const { progress, now, signal } = context
  signal.throwIfAborted()
  const begin = now()
  progress.start(title)
  const result = await run()
  progress.end(title, now() - begin)
  return result
}
