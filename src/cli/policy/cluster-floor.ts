import { readBreakGlass } from '../../admission/break-glass.ts'
import { admissionNames } from '../../cluster/admission-layout.ts'
import type { Check } from '../../cluster/check.ts'
import type { ClusterObjects } from '../../cluster/cluster-objects.ts'
import type { Layout } from '../../cluster/layout.ts'
import { lackedForBinding } from '../../cluster/node-binding.ts'
import { hashOfObjects } from '../../policy-store/policies-hash.ts'
import { textsOf } from '../../status/admission-checks.ts'
import { findPolicies } from '../../status/found.ts'
import { findFloor, floorChecks } from '../../status/floor-checks.ts'
import { Look, orElse } from '../../status/look.ts'
import { settledHashes } from '../../status/policy-checks.ts'

/** What `trow status` says of the floor too. Empty: the user may not read it, or trow does not judge pods there. */
export async function clusterFloor(
  { objects, layout }: { readonly objects: ClusterObjects; readonly layout: Layout },
  now: number,
): Promise<readonly Check[]> {
  const look = new Look(objects)
  const { namespace } = layout
  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: admissionNames.workload }
  if (orElse(await look.get(deployment), undefined) === undefined) return []
  const glass = { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: admissionNames.breakGlass }
  const [found, policies, opened, lacks] = await Promise.all([
    findFloor(look),
    findPolicies(look),
    look.get(glass),
    lackedForBinding(objects),
  ])
  const isOpen = readBreakGlass(textsOf(orElse(opened, undefined)), now) !== undefined
  return floorChecks(found, { namespace, isOpen, lacks, hashes: settledHashes(policies, now, hashOfObjects) })
}
