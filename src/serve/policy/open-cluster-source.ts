import { CredentialSource } from '../../cluster/credential-source.ts'
import { loadKubeContext } from '../../cluster/kubeconfig.ts'
import { connectObjects } from '../../cluster/kubernetes-objects.ts'
import { statusManager } from '../../cluster/policy-object.ts'
import { ClusterSource } from '../../policy-store/cluster-source.ts'
import { ClusterWriter } from '../../policy-store/cluster-writer.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import type { OpenPolicySource, SourceDeps } from './opened-source.ts'

/** Milliseconds for one request: a list of the largest policies takes seconds where the API server is slow. */
const timeout = 8000

/** The policies of `policy-cluster`. Asks nothing yet. Throws UserErrors of `loadKubeContext`. */
export async function openClusterSource(
  { kubeconfig }: Settings,
  { env, cwd, log }: SourceDeps,
): Promise<OpenPolicySource> {
  const context = loadKubeContext({ env, cwd, kubeconfig })
  const credentials = new CredentialSource(context, { env, interactive: false, now: Date.now })
  const objects = await connectObjects({ context, credentials, timeout, manager: statusManager })
  const source = new ClusterSource({ objects, now: Date.now, log })
  return {
    source,
    writer: new ClusterWriter(objects),
    report: (outcomes) => source.report(outcomes),
    close: () => objects.close(),
  }
}
