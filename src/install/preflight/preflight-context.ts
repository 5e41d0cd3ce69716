import type { ClusterObjects } from '../../cluster/cluster-objects.ts'
import type { InstallSettings } from '../install-settings.ts'
import type { Remembered } from '../remembered.ts'

export interface PreflightContext {
  readonly cluster: ClusterObjects
  readonly settings: InstallSettings
  readonly remembered: Remembered | undefined
  /** The image reference that pods will run. `isDefault` is true if the user has not chosen it. */
  readonly image: { readonly reference: string; readonly isDefault: boolean }
  /** The version of this trow, and the number of database migrations that it knows. */
  readonly version: string
  readonly schema: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** True to take fields over from other field managers. */
  readonly force: boolean
  readonly ignored: readonly string[]
}
