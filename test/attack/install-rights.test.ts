import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { suite, test } from 'node:test'
import { parse } from 'yaml'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import { clientSet, completeSet } from '../../src/install/client-set.ts'
import { allObjects, wantedObjects } from '../../src/install/wanted-objects.ts'
import { optionSets, type OptionSet } from '../install/option-sets.ts'
import { FakeObjects } from '../support/fake-objects.ts'
import { hasRight, rightsOf, type Rights } from './granted-rights.ts'

// All rights that the objects of an install give. A right that is not listed here fails the test.

const [agent, registry, setup] = ['trow-node:trow-node', 'trow:trow', 'trow:trow-setup'] as const
const admission = 'trow:trow-admission'

/** By subject and place (`*`: everywhere): `resource [names] [verbs]`. */
const usual: Rights = {
  [agent]: {
    '*': ['nodes [] [get list watch]'],
    trow: [
      'configmaps [trow-orders] [get list watch]',
      'endpointslices.discovery.k8s.io [] [get list watch]',
    ],
    'trow-node': [
      'configmaps [] [get create patch]',
      'configmaps [trow-node] [get list watch]',
      'leases.coordination.k8s.io [] [get list create patch]',
    ],
  },
  [registry]: {
    '*': [
      'nodes [] [get]',
      'role of the cluster: system:auth-delegator',
      'serviceaccounts [trow-node] [get]',
      'trowexceptions.policy.trow.io [] [get list watch]',
      'trowexceptions/status.policy.trow.io [] [patch]',
      'trowpolicies.policy.trow.io [] [get list watch]',
      'trowpolicies/status.policy.trow.io [] [patch]',
    ],
    'kube-system': ['role of the cluster: extension-apiserver-authentication-reader'],
    trow: ['configmaps [trow-audit] [get patch]'],
  },
  [admission]: {
    '*': [
      'admission.registry.trow.io [] [get create]',
      'jobs.batch [] [get]',
      'pods [] [list]',
      'replicasets.apps [] [get]',
      'subjectaccessreviews.authorization.k8s.io [] [create]',
      'trowexceptions.policy.trow.io [] [get list watch]',
      'trowfloors.policy.trow.io [] [get]',
      'trowfloors.policy.trow.io [trow] [get list watch create patch delete]',
      'trowpolicies.policy.trow.io [] [get list watch]',
      'validatingadmissionpolicies.admissionregistration.k8s.io [trow-floor] [get list watch create patch delete]',
      'validatingadmissionpolicybindings.admissionregistration.k8s.io [trow-floor] [get list watch create patch delete]',
      'validatingwebhookconfigurations.admissionregistration.k8s.io [trow] [get list watch patch]',
    ],
    trow: [
      'configmaps [break-glass] [delete]',
      'configmaps [trow-admission break-glass] [get list watch]',
      'configmaps [trow-running] [get patch]',
      'deployments.apps [trow-admission] [get]',
      'leases.coordination.k8s.io [trow-admission] [get patch]',
      'secrets [trow-admission-tls] [get list watch patch]',
    ],
  },
}
const ofClients = {
  trow: [
    'configmaps [trow-ca trow-install] [get]',
    'pods [] [get list]',
    'pods/portforward [] [get create]',
    'services [trow] [get]',
  ],
}
const ofSetup = {
  trow: [
    'configmaps [trow-ca trow-orders] [get create patch]',
    'configmaps [trow-install] [get]',
    'secrets [trow-ca trow-admission-tls] [get create patch]',
  ],
  'trow-node': ['configmaps [trow-node] [get patch]'],
}

function setOf(name: string, settings: Partial<OptionSet['settings']> = {}): OptionSet {
  const set = optionSets[name] as OptionSet
  return { ...set, settings: { ...set.settings, ...settings } }
}

function objectsOf({ settings, facts }: OptionSet): KubeObject[] {
  return allObjects(wantedObjects(settings, facts, { discovery: true, baseline: true }))
}

suite('rights that an install gives', () => {
  test('to its accounts and nobody else', () => {
    assert.deepEqual(rightsOf(objectsOf(setOf('usual'))), usual)
  })

  test('--clients: a group reads what leads to the registry and forwards ports, in its namespace alone', () => {
    const { settings, facts } = setOf('usual', { clients: ['dev'] })
    assert.deepEqual(rightsOf(objectsOf({ settings, facts })), { ...usual, 'group dev': ofClients })
  })

  test('--pull-identity service-account: kubelets ask for tokens with audience trow, and without it they may not', () => {
    const { settings, facts } = setOf('usual', { pullIdentity: 'service-account' })
    assert.deepEqual(rightsOf(objectsOf({ settings, facts })), {
      ...usual,
      'group system:nodes': { '*': ['trow [] [request-serviceaccounts-token-audience]'] },
    })
  })

  test('trow-setup is of the set for repositories only, and every right of it names its objects', () => {
    const { settings, facts } = setOf('usual')
    const objects = clientSet(settings, facts, { schema: 5, baseline: false })
    assert.deepEqual(rightsOf(objects), { ...usual, [setup]: ofSetup })
    // Only the pod of the Job mounts the token.
    const account = objects.find(
      ({ kind, metadata }) => `${kind} ${metadata.name}` === 'ServiceAccount trow-setup',
    )
    assert.equal(account?.['automountServiceAccountToken'], false)
    const users = objects.filter((object) => JSON.stringify(object['spec'] ?? {}).includes('"trow-setup"'))
    assert.deepEqual(users.map(({ kind }) => kind), ['Job']) // prettier-ignore
  })

  test('trow-setup does what it is for with these rights, and needs each of them', async () => {
    const { settings, facts } = setOf('usual')
    const rights = rightsOf(clientSet(settings, facts, { schema: 5, baseline: false }))[setup] ?? {}
    const cluster = new FakeObjects()
    const used = new Set<string>()
    cluster.fault = (verb, kind, name = '') => {
      // The desired state of the release before is only read, never created.
      const verbs = verb !== 'apply' ? [verb] : name === 'trow-node' ? ['patch'] : ['patch', 'create']
      const resource = `${kind.toLowerCase()}s`
      const namespace = name === 'trow-node' ? 'trow-node' : 'trow'
      for (const each of verbs) {
        assert.ok(hasRight(rights[namespace], { verb: each, resource, name }), `${each} ${resource}/${name}`)
        used.add(`${each} ${resource}/${name}`)
      }
    }
    cluster.put(
      ...clientSet(settings, facts, { schema: 5, baseline: false }).filter(
        ({ metadata }) => metadata.name === 'trow-install',
      ),
    )
    const known = { version: facts.version, crypto: webcrypto as Crypto }
    await completeSet(cluster, 'trow', known)
    // Agents of the release before have this right.
    const before = { name: 'trow-node', namespace: 'trow-node' }
    cluster.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata: before, data: {} })
    await completeSet(cluster, 'trow', known)
    assert.deepEqual([...used].sort(), [
      'create configmaps/trow-ca',
      'create configmaps/trow-orders',
      'create secrets/trow-admission-tls',
      'create secrets/trow-ca',
      'get configmaps/trow-ca',
      'get configmaps/trow-install',
      'get configmaps/trow-node',
      'get configmaps/trow-orders',
      'get secrets/trow-ca',
      'patch configmaps/trow-ca',
      'patch configmaps/trow-node',
      'patch configmaps/trow-orders',
      'patch secrets/trow-admission-tls',
      'patch secrets/trow-ca',
    ])
  })

  for (const name of Object.keys(optionSets)) {
    test(`"${name}": nobody makes pods, takes over accounts or rights, or is everybody`, () => {
      const { settings, facts } = setOf(name)
      const roles = clientSet(settings, facts, { schema: 5, baseline: false }).filter(({ kind }) =>
        kind.endsWith('Role'),
      )
      for (const { metadata, ...role } of roles) {
        for (const { apiGroups, resources, verbs } of role['rules'] as Record<string, string[]>[]) {
          const words = [...(apiGroups ?? []), ...(resources ?? []), ...(verbs ?? [])]
          for (const word of [
            '*',
            'impersonate',
            'bind',
            'escalate',
            'deletecollection',
            'pods/exec',
            'pods/attach',
            'pods/ephemeralcontainers',
            'pods/proxy',
            'serviceaccounts/token',
            'nodes/proxy',
          ])
            // prettier-ignore
            assert.ok(!words.includes(word), `${metadata.name} has ${word}`)
          if (resources?.includes('pods'))
            assert.ok(
              verbs?.every((verb) => verb === 'get' || verb === 'list'),
              metadata.name,
            )
        }
      }
      for (const subject of Object.keys(rightsOf(clientSet(settings, facts, { schema: 5, baseline: false }))))
        assert.doesNotMatch(subject, /:default$|^group system:(?!nodes)|^user /)
    })
  }
})

suite('what reaches the pods of an install', () => {
  interface Spec {
    readonly podSelector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly ingress: readonly {
      readonly from?: unknown
      readonly ports: readonly { readonly port: string }[]
    }[]
    readonly policyTypes: readonly string[]
  }
  interface Template {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> }
    readonly spec: {
      readonly hostNetwork?: boolean
      readonly containers: readonly {
        readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
        readonly args?: readonly string[]
      }[]
    }
  }

  for (const [name, set] of Object.entries(optionSets)) {
    const find = (kind: string, called: string): KubeObject => {
      const found = objectsOf(set).find((object) => object.kind === kind && object.metadata.name === called)
      assert.ok(found, `there is no ${kind} ${called}`)
      return found
    }
    const registryPod = (find('StatefulSet', 'trow')['spec'] as { template: Template }).template

    const admissionPod = (find('Deployment', 'trow-admission')['spec'] as { template: Template }).template

    for (const [called, pod] of [
      ['trow', registryPod],
      ['trow-admission', admissionPod],
    ] as const)
      test(`"${name}": policy ${called} is of its pods, and opens https to all and metrics to pods`, () => {
        const policy = find('NetworkPolicy', called)
        assert.equal(policy.metadata.namespace, set.settings.namespace)
        const { podSelector, ingress, policyTypes } = policy['spec'] as Spec
        for (const [key, value] of Object.entries(podSelector.matchLabels))
          assert.equal(pod.metadata.labels[key], value, key)
        assert.deepEqual(policyTypes, ['Ingress'])
        assert.deepEqual(ingress, [
          { ports: [{ protocol: 'TCP', port: 'https' }] },
          { from: [{ namespaceSelector: {} }], ports: [{ protocol: 'TCP', port: 'metrics' }] },
        ])
      })

    test(`"${name}": the registry listens on these two ports and no other, which a port-forward would reach`, () => {
      const ports = registryPod.spec.containers.flatMap(({ ports: all = [] }) =>
        all.map((port) => `${port.name} ${port.containerPort}`),
      )
      assert.deepEqual(ports, ['https 8443', 'metrics 9090'])
      assert.notEqual(registryPod.spec.hostNetwork, true)
      const data = find('ConfigMap', 'trow-config')['data'] as Readonly<Record<string, string>>
      const configuration = parse(data['trow.yaml'] ?? '') as Readonly<Record<string, unknown>>
      const listening = Object.entries(configuration).filter(([key]) => key.includes('listen'))
      assert.deepEqual(
        listening.map(([key, value]) => [key, String(value).replace(/^.*:/, '')]),
        [
          ['listen', '8443'],
          ['metrics-listen', '9090'],
        ],
      )
    })

    test(`"${name}": an agent, which no policy holds, has no port that pods could reach`, () => {
      if (!set.settings.trustNodes) return assert.ok(objectsOf(set).every(({ kind }) => kind !== 'DaemonSet'))
      const { spec } = (find('DaemonSet', 'trow-node')['spec'] as { template: Template }).template
      assert.equal(spec.hostNetwork, true)
      for (const { ports, ...container } of spec.containers) {
        assert.equal(ports, undefined)
        for (const [key, probe] of Object.entries(container))
          if (key.endsWith('Probe'))
            assert.equal((probe as unknown as { httpGet: { host: string } }).httpGet.host, '127.0.0.1', key)
      }
    })
  }
})
