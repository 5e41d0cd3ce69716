import { minorOf, oldestTokenMinor } from '../../kubernetes-version.ts'
import { failed, final, passed, warned, type PreflightCheck, type PreflightCategory } from '../check.ts'
import { faultLines, named } from '../../cluster/grouped-faults.ts'
import { startupTaint } from '../../cluster/layout.ts'
import { isFree, isHeld, isSuitable, nodeFacts, type NodeFacts } from '../../cluster/node-facts.ts'
import type { PreflightContext } from './preflight-context.ts'

export async function nodeChecks({ cluster, settings }: PreflightContext): Promise<PreflightCategory> {
  const nodes = (await cluster.list({ apiVersion: 'v1', kind: 'Node' })).map(nodeFacts)
  const checks = [
    final(schedulableCheck(nodes, settings.startupTaint)),
    readyCheck(nodes),
    ...(settings.trustNodes ? [runtimeCheck(nodes, settings.editHosts), platformCheck(nodes)] : []),
    ...taintCheck(nodes, settings.startupTaint),
    ...(settings.pullIdentity === 'service-account' ? [kubeletCheck(nodes)] : []),
  ]
  return { categoryName: 'nodes', checks }
}

/**
 * An agent without the right to remove the taint leaves it on the node for ever, which then accepts no pods.
 */
function taintCheck(nodes: readonly NodeFacts[], isTakenAway: boolean): PreflightCheck[] {
  const held = nodes.filter(isHeld).map(({ name }) => name)
  if (held.length === 0 && !isTakenAway) return []
  const description = `nodes with taint ${startupTaint} get their agent, which takes it away`
  if (isTakenAway) return [passed('startup-taint', `${description} (${held.length} now)`)]
  return [
    warned(
      'startup-taint',
      description,
      `${held.join(', ')} would keep it: the agents may not`,
      'Add --startup-taint.',
    ),
  ]
}

function schedulableCheck(nodes: readonly NodeFacts[], isTakenAway: boolean): PreflightCheck {
  const description = 'a Linux node with amd64 or arm64 is Ready and free for pods'
  const free = nodes.filter((node) => isFree(node, isTakenAway) && isSuitable(node))
  if (free.length > 0) return passed('schedulable', `${description} (${free.length} of ${nodes.length})`)
  const why = faultLines(nodes.map((node) => ({ node: node.name, text: whyNot(node) }))).join('; ')
  return failed(
    'schedulable',
    description,
    nodes.length === 0 ? 'the cluster has no nodes' : why,
    'kubectl describe node NAME says more; the registry needs one node, the agents run on tainted ones too.',
  )
}

function whyNot(node: NodeFacts): string {
  if (!node.ready) return 'not Ready'
  if (!isSuitable(node)) return `${node.system}/${node.architecture}`
  return node.taints.length > 0 ? `tainted ${node.taints.join(', ')}` : 'cordoned'
}

function readyCheck(nodes: readonly NodeFacts[]): PreflightCheck {
  const description = 'every node is Ready'
  const away = nodes.filter(({ ready }) => !ready).map(({ name }) => name)
  return away.length === 0
    ? passed('ready', description)
    : warned('ready', description, `not Ready: ${named(away)}`, 'Their agents follow as soon as they are.')
}

function runtimeCheck(nodes: readonly NodeFacts[], editHosts: boolean): PreflightCheck {
  const description = 'the runtimes are ones that trow configures'
  const docker = nodes.filter(({ runtime }) => runtime.name === 'docker')
  const unknown = nodes.filter(({ runtime }) => !['containerd', 'cri-o', 'docker', ''].includes(runtime.name))
  const found = [...new Set(nodes.map(({ runtime }) => `${runtime.name} ${runtime.version}`))].join(', ')
  if (unknown.length > 0) {
    const words = unknown.map(({ name, runtime }) => `${name} has ${runtime.name}`).join(', ')
    return warned('runtime', description, words, 'Pods there need a registry that the runtime knows.')
  }
  if (docker.length > 0 && !editHosts) {
    return warned(
      'runtime',
      description,
      `${docker.map(({ name }) => name).join(', ')}: dockerd resolves names by /etc/hosts only`,
      'Add --edit-hosts to have one marked line written there.',
    )
  }
  return passed('runtime', `${description}: ${found}`)
}

function kubeletCheck(nodes: readonly NodeFacts[]): PreflightCheck {
  const description = 'the kubelets can hand over tokens of service accounts'
  const old = nodes.filter(({ kubeletVersion }) => minorOf(kubeletVersion) < oldestTokenMinor)
  if (old.length === 0) return passed('pull-identity', description)
  return warned(
    'pull-identity',
    description,
    old.map(({ name, kubeletVersion }) => `${name} has ${kubeletVersion || 'an unknown version'}`).join(', '),
    `These nodes go on pulling as nodes until they have 1.${oldestTokenMinor}.`,
  )
}

const platforms: readonly { readonly name: string; readonly is: (node: NodeFacts) => boolean }[] = [
  { name: 'Talos', is: ({ osImage }) => /talos/i.test(osImage) },
  { name: 'Bottlerocket', is: ({ osImage }) => /bottlerocket/i.test(osImage) },
  { name: 'GKE', is: ({ labels }) => 'cloud.google.com/gke-nodepool' in labels },
  { name: 'OpenShift', is: ({ labels }) => 'node.openshift.io/os_id' in labels },
  { name: 'Fargate', is: ({ labels }) => labels['eks.amazonaws.com/compute-type'] === 'fargate' },
]

/** Checks for platforms on which only the platform's own tools may write the nodes' files. */
function platformCheck(nodes: readonly NodeFacts[]): PreflightCheck {
  const description = "the agents may write the nodes' files"
  const found = platforms.filter(({ is }) => nodes.some(is)).map(({ name }) => name)
  return found.length === 0
    ? passed('platform', description)
    : warned(
        'platform',
        description,
        `${found.join(', ')} is configured by its own tools only`,
        'The install goes on; trow status prints the commands for these nodes.',
      )
}
