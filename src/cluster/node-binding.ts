import type { Check } from './check.ts'
import { ClusterFault } from './cluster-fault.ts'
import type { ClusterObjects, KubeReference } from './cluster-objects.ts'
import { names } from './layout.ts'
import { minorOf } from '../kubernetes-version.ts'

/** Since 1.30, ValidatingAdmissionPolicy is v1 and tokens of pods name their node (KEP-4193). */
const oldestMinor = 30
const apiVersion = 'admissionregistration.k8s.io/v1'

export const bindingKinds = ['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'] as const

/** The cluster-scoped objects of an install that restrict each agent to its own node. */
export const bindingReferences: readonly KubeReference[] = bindingKinds.map((kind) => ({
  apiVersion,
  kind,
  name: names.agent,
}))

/** What the cluster lacks for restricting each agent to its node, as sentences; empty if nothing is missing. */
export async function lackedForBinding(cluster: ClusterObjects): Promise<readonly string[]> {
  const [{ gitVersion }, served] = await Promise.all([cluster.version(), servesPolicies(cluster)])
  return [
    ...(served ? [] : [`it serves no ValidatingAdmissionPolicy (${apiVersion})`]),
    ...(minorOf(gitVersion) >= oldestMinor ? [] : [`tokens of pods do not name their node in ${gitVersion}`]),
  ]
}

/** The warning for a cluster that cannot restrict agents: the consequence and the remedy. */
export function unboundCheck(lacks: readonly string[]): Check {
  return {
    description: boundDescription,
    result: 'warning',
    error: `${lacks.join(', and ')}: a node that was taken over may write the reports of other nodes`,
    hint: `Kubernetes 1.${oldestMinor} and later have both; docs/security.md says what such a node can do.`,
  }
}

export const boundDescription = 'each agent may write the report and the Lease of its own node alone'

async function servesPolicies(cluster: ClusterObjects): Promise<boolean> {
  try {
    await cluster.list({ apiVersion, kind: bindingKinds[0], labelSelector: 'app.kubernetes.io/part-of=trow' })
    return true
  } catch (error) {
    if (!(error instanceof ClusterFault)) throw error
    if (error.status === 404) return false
    // The kind is served. Whether we may write it is checked elsewhere.
    if (error.kind === 'forbidden') return true
    throw error
  }
}
