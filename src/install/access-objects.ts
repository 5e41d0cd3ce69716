import { stringify } from 'yaml'
import type { KubeObject } from '../cluster/cluster-objects.ts'
import { layoutOf } from '../cluster/layout.ts'
import { imageHosts, type InstallSettings } from './install-settings.ts'
import { pick, place, readTemplate } from './template.ts'

/** The RBAC objects: roles for repositories, for the registry itself, for users and for kubelets. */
export function accessObjects(settings: InstallSettings): KubeObject[] {
  const layout = layoutOf(settings.namespace)
  // Without this role the API server gives kubelets no token for the registry's audience. It is left out
  // otherwise, so that a compromised node cannot act as the accounts of its pods.
  const ofKubelets = settings.pullIdentity === 'service-account' ? ['kubelet-rbac'] : []
  const templates = ['rbac', 'registry-rbac', 'policy-rbac', ...ofKubelets, 'audit'].flatMap(readTemplate)
  return [...templates, ...clientObjects(settings)].map((object) => place(object, layout, 'access'))
}

/** The ConfigMap of KEP-1755, by which tools find the registry. */
export function discoveryObject(settings: InstallSettings): KubeObject {
  const [shown = ''] = imageHosts(settings)
  const object = pick(readTemplate('discovery'), 'ConfigMap')
  const hosting = {
    ...(settings.host === undefined ? {} : { host: settings.host }),
    hostFromContainerRuntime: shown,
    hostFromClusterNetwork: `trow.${settings.namespace}.svc`,
  }
  return {
    ...place(object, layoutOf(settings.namespace), 'access'),
    data: { 'localRegistryHosting.v1': stringify(hosting) },
  }
}

function clientObjects({ clients }: InstallSettings): KubeObject[] {
  const template = readTemplate('clients')
  const role = pick(template, 'Role')
  if (clients.length === 0) return [role]
  const subjects = clients.map((name) => ({
    kind: 'Group',
    apiGroup: 'rbac.authorization.k8s.io',
    name,
  }))
  return [role, { ...pick(template, 'RoleBinding'), subjects }]
}
