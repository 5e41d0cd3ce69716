import type { ClusterObjects } from '../../cluster/cluster-objects.ts'
import type { InstallSettings } from '../install-settings.ts'
import type { Remembered } from '../remembered.ts'

export interface PreflightContext {
  readonly cluster: ClusterObjects
  readonly settings: InstallSettings
  readonly remembered: Remembered | undefined
  /** The reference that pods will run, and whether it is the one that nobody has chosen. */
  readonly image: { readonly reference: string; readonly isDefault: boolean }
  /** Of this trow: its version, and how many migrations of the database it knows. */
  readonly version: string
  readonly schema: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Take over what another manager has. */
  readonly force: boolean
  readonly ignored: readonly string[]
}
