import type { ClusterObjects } from '../../cluster/cluster-objects.ts'
import { reportOf, type CheckReport } from '../check.ts'
import type { InstallSettings } from '../install-settings.ts'
import type { Remembered } from '../remembered.ts'
import { clusterChecks } from './cluster-checks.ts'
import { existingChecks } from './existing-checks.ts'
import { imageChecks } from './image-checks.ts'
import { networkChecks } from './network-checks.ts'
import { nodeChecks } from './node-checks.ts'
import { permissionChecks } from './permission-checks.ts'
import { storageChecks } from './storage-checks.ts'

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

/**
 * Everything that can be known beforehand without changing anything. Rejects with ClusterFault when the API server does
 * not answer at all; what cannot be read for lack of rights is a check that failed.
 */
export async function preflight(context: PreflightContext): Promise<CheckReport> {
  const cluster = await clusterChecks(context)
  const permissions = await permissionChecks(context)
  // Without rights everything below would fail for one and the same reason.
  if (permissions.checks.some(({ result }) => result === 'error')) {
    const report = reportOf([cluster, permissions], context.ignored)
    if (!report.success) return report
  }
  const rest = await Promise.all([
    existingChecks(context),
    storageChecks(context),
    nodeChecks(context),
    networkChecks(context),
    imageChecks(context),
  ])
  return reportOf([cluster, permissions, ...rest], context.ignored)
}
