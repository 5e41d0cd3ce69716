import { isFree, isSuitable, nodeFacts } from '../../cluster/node-facts.ts'
import { failed, final, passed, warned, type PreflightCategory, type PreflightCheck } from '../check.ts'
import { failRefusedHint, failRefusedWords, judgedSystemNamespaces } from '../system-namespaces.ts'
import type { PreflightContext } from './preflight-context.ts'

const apart = 'the admission pods can run on different nodes'
const needed = 'the webhook judges no pod that other pods need to start'

/** What the admission pods need, and what `Fail` needs. */
export async function admissionChecks(context: PreflightContext): Promise<PreflightCategory> {
  const checks = [await nodesCheck(context), await namespacesCheck(context)]
  return { categoryName: 'admission', checks }
}

async function nodesCheck({ cluster, settings }: PreflightContext): Promise<PreflightCheck> {
  const nodes = (await cluster.list({ apiVersion: 'v1', kind: 'Node' })).map(nodeFacts)
  const free = nodes.filter((node) => isFree(node, settings.startupTaint) && isSuitable(node))
  return free.length > 1
    ? passed('admission-nodes', apart)
    : warned(
        'admission-nodes',
        apart,
        `${free.length === 0 ? 'no node takes' : 'one node takes'} pods: both are down when it is`,
      )
}

async function namespacesCheck({ cluster, settings }: PreflightContext): Promise<PreflightCheck> {
  const id = 'admission-fail'
  const judged = await judgedSystemNamespaces(cluster, settings)
  if (judged.length === 0) return passed(id, needed)
  const hint = failRefusedHint(judged, settings)
  if (settings.admissionFailurePolicy === 'fail')
    return final(failed(id, needed, failRefusedWords(judged), hint))
  // Under Ignore they start while trow is down.
  const list = judged.map(({ namespace, because }) => `${namespace} (${because})`).join(', ')
  return passed(id, `${needed}, or failurePolicy is Ignore: ${list}`)
}
