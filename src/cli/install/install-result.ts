import type { KubeReference } from '../../cluster/cluster-objects.ts'
import { referenceOf } from '../../install/apply.ts'
import type { Installed } from '../../install/install.ts'
import { imageHosts, type InstallSettings } from '../../install/install-settings.ts'
import { changes, type Plan } from '../../install/plan.ts'
import type { Result } from '../result/print-result.ts'

type Change = Result<'Install'>['changes'][number]

/** Returns what an install prints for programs. */
export function installResult(
  { facts, pulls }: Installed,
  {
    settings,
    plan,
    prune,
    context,
    previousVersion,
    steps,
    warnings,
  }: {
    readonly settings: InstallSettings
    readonly plan: Plan
    /** Whether objects of an earlier install were removed. */
    readonly prune: boolean
    readonly context: string
    /** `undefined`: there was no install. */
    readonly previousVersion: string | undefined
    readonly steps: Result<'Install'>['steps']
    readonly warnings: Result<'Install'>['warnings']
  },
): Result<'Install'> {
  const { version, image, clusterIps, nodePort } = facts
  const made = changes(plan).map(({ object, action }): Change => {
    return { action: action === 'create' ? 'create' : 'change', ...plain(referenceOf(object)) }
  })
  const removed = prune ? plan.extraneous.map((each): Change => ({ action: 'remove', ...plain(each) })) : []
  return {
    context,
    namespace: settings.namespace,
    version,
    previousVersion,
    image,
    imageHosts: imageHosts(settings),
    clusterIps,
    nodePort,
    changes: [...made, ...removed],
    steps,
    warnings,
    nodes: pulls.map(({ node, note }) => ({ node, note })),
  }
}

/** Returns what a result has of an object, whatever else is known of it. */
export function plain({ apiVersion, kind, name, namespace }: KubeReference): KubeReference {
  return { apiVersion, kind, name, namespace }
}
