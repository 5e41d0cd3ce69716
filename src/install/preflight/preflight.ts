import { reportOf, type CheckReport } from '../check.ts'
import { admissionChecks } from './admission-checks.ts'
import { clusterChecks } from './cluster-checks.ts'
import { existingChecks } from './existing-checks.ts'
import { imageChecks } from './image-checks.ts'
import { networkChecks } from './network-checks.ts'
import { nodeChecks } from './node-checks.ts'
import type { PreflightContext } from './preflight-context.ts'
import { permissionChecks } from './permission-checks.ts'
import { storageChecks } from './storage-checks.ts'

/**
 * Runs every check that changes nothing. Rejects with ClusterFault if the API server does not answer at all.
 * What cannot be read for lack of rights is a failed check.
 */
export async function preflight(context: PreflightContext): Promise<CheckReport> {
  const cluster = await clusterChecks(context)
  const permissions = await permissionChecks(context)
  // Without rights every further check would fail for the same reason.
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
    ...(context.settings.admission ? [admissionChecks(context)] : []),
  ])
  return reportOf([cluster, permissions, ...rest], context.ignored)
}
