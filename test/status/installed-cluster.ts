import { webcrypto } from 'node:crypto'
import { readBreakGlass } from '../../src/admission/break-glass.ts'
import { issueLeaf, makeAuthority } from '../../src/certificates/certificate-authority.ts'
import type { Check } from '../../src/cluster/check.ts'
import { layoutOf } from '../../src/cluster/layout.ts'
import { hashOfObjects } from '../../src/policy-store/policies-hash.ts'
import type { RegistryAnswer } from '../../src/status/registry-probe.ts'
import { lookAtInstall, type Status } from '../../src/status/status.ts'
import { FakeObjects } from '../support/fake-objects.ts'
import { nodeObject, reportObject } from '../support/node-objects.ts'

// An install as it stands in a cluster, and what `trow status` makes of it.

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** The status of a pod that is ready. */
export const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }

export function labelled(component: string): object {
  return { 'app.kubernetes.io/part-of': 'trow', 'app.kubernetes.io/component': component }
}

export function podObject(name: string, namespace: string, node: string, status: object = ready): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: labelled(namespace === 'trow' ? 'registry' : 'node') },
    spec: { nodeName: node },
    status,
  }
}

export function configMap(name: string, namespace: string, data: object): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data }
}

/** The ValidatingAdmissionPolicy of the agents, or its binding. */
export function binds(kind: string, spec: object): object {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind,
    metadata: { name: 'trow-node' },
    spec,
  }
}

/** A healthy install with two nodes. */
export function installedObjects(
  authority: { readonly cert: string; readonly key: string },
  now: number,
): readonly object[] {
  return [
    configMap('trow-install', 'trow', { version: '0.1.0', 'settings.json': '{}' }),
    { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'trow', namespace: 'trow' } },
    podObject('trow-0', 'trow', 'n1'),
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'trow-1', namespace: 'trow', labels: { 'kubernetes.io/service-name': 'trow' } },
      endpoints: [{ addresses: ['10.88.1.2'], conditions: { serving: true }, targetRef: { uid: 'pod-1' } }],
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'trow-ca', namespace: 'trow' },
      data: { 'ca.crt': base64(authority.cert), 'ca.key': base64(authority.key) },
    },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'trow', namespace: 'trow' } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'trow-node', namespace: 'trow-node' } },
    configMap('trow-config', 'trow', { 'trow.yaml': '' }),
    configMap('trow-ca', 'trow', { 'ca.crt': authority.cert, generation: '1' }),
    configMap('trow-orders', 'trow', { 'ca.crt': authority.cert, 'settings.json': '{"generation":1}' }),
    { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'trow-node', namespace: 'trow-node' } },
    binds('ValidatingAdmissionPolicy', {}),
    binds('ValidatingAdmissionPolicyBinding', { policyName: 'trow-node', validationActions: ['Deny'] }),
    ...['n1', 'n2'].flatMap((name) => [
      nodeObject(name),
      podObject(`trow-node-${name}`, 'trow-node', name),
      reportObject(name, now - 5000),
    ]),
  ]
}

/** `answer`: what the registry answers in another way than a healthy one whose chain is `leaf`. */
export function lookAt(
  objects: FakeObjects,
  {
    now,
    leaf,
    answer,
  }: { readonly now: number; readonly leaf: string; readonly answer: Partial<RegistryAnswer> | Error },
): Promise<Status> {
  const well: RegistryAnswer = {
    chain: leaf,
    untrusted: undefined,
    reads: { ok: true },
    writes: { ok: true },
  }
  return lookAtInstall({
    objects,
    layout: layoutOf('trow'),
    now: () => now,
    readBreakGlass,
    hashOf: hashOfObjects,
    probe: {
      ask: () => (answer instanceof Error ? Promise.reject(answer) : Promise.resolve({ ...well, ...answer })),
    },
  })
}

/** Every check that did not succeed. */
export function faults({ categories }: Status): Check[] {
  return categories.flatMap(({ checks }) => checks.filter(({ result }) => result !== 'success'))
}

/** The checks of one category, as `description|error`. */
export function linesOf({ categories }: Status, category: string): string[] {
  return categories
    .filter(({ categoryName }) => categoryName === category)
    .flatMap(({ checks }) => checks.map(({ description, error = '' }) => `${description}|${error}`))
}

/** A healthy install of its own, with a registry that is well. */
export async function openInstalled(): Promise<{
  readonly objects: FakeObjects
  readonly now: number
  look(): Promise<Status>
}> {
  const crypto = webcrypto as Crypto
  const names = ['trow.trow.svc']
  const authority = await makeAuthority(names, [], crypto)
  const { cert: leaf } = await issueLeaf(authority, { names, life: 90 * 86_400_000 }, crypto)
  const now = Date.now()
  const objects = new FakeObjects()
  objects.put(...installedObjects(authority, now))
  return { objects, now, look: () => lookAt(objects, { now, leaf, answer: {} }) }
}
