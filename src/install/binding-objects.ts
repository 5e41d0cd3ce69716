import type { KubeObject } from '../cluster/cluster-objects.ts'
import { layoutOf, names } from '../cluster/layout.ts'
import type { InstallSettings } from './install-settings.ts'
import { pick, place, readTemplate } from './template.ts'

interface Policy extends KubeObject {
  readonly spec: { readonly matchConditions: readonly [{ readonly name: string }] }
}

interface Binding extends KubeObject {
  readonly spec: object
}

/**
 * The admission policies that restrict each request of the agents' account to the node that its token names.
 */
export function bindingObjects(settings: InstallSettings): KubeObject[] {
  const layout = layoutOf(settings.namespace)
  const template = readTemplate('node-binding')
  const policy = place(pick<Policy>(template, 'ValidatingAdmissionPolicy'), layout, 'node')
  const binding = place(pick<Binding>(template, 'ValidatingAdmissionPolicyBinding'), layout, 'node')
  const account = `system:serviceaccount:${layout.nodeNamespace}:${names.agent}`
  const [{ name }] = policy.spec.matchConditions
  const expression = `request.userInfo.username == '${account}'`
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': layout.nodeNamespace } }
  return [
    { ...policy, spec: { ...policy.spec, matchConditions: [{ name, expression }] } },
    { ...binding, spec: { ...binding.spec, matchResources: { namespaceSelector } } },
  ]
}
