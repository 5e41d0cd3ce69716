import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse, stringify } from 'yaml'
import { checkServeSettings } from '../../src/cli/install/serve-file.ts'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import { nodeSettingsSchema } from '../../src/cluster/node-settings.ts'
import { clientSet } from '../../src/install/client-set.ts'
import { nodeSettings } from '../../src/install/node-objects.ts'
import { localVolume } from '../../src/install/registry-objects.ts'
import { checkConfiguration } from '../../src/install/registry-configuration.ts'
import { readTemplate } from '../../src/install/template.ts'
import { allObjects, wantedObjects } from '../../src/install/wanted-objects.ts'
import { UserError } from '../../src/user-error.ts'
import { optionSets, type OptionSet } from './option-sets.ts'

function objectsOf({ settings, facts }: OptionSet): KubeObject[] {
  const folder = localVolume(settings, facts.image)?.folder
  const all = allObjects(wantedObjects(settings, facts, { discovery: true, baseline: true }))
  return folder === undefined ? all : [...all, folder]
}

for (const [name, set] of Object.entries(optionSets)) {
  // UPDATE_GOLDEN=1 rewrites the files; review the difference.
  test(`the objects of "${name}" are those of golden/${name}.yaml`, () => {
    const path = new URL(`golden/${name}.yaml`, import.meta.url)
    const text = objectsOf(set)
      // Their schemas are those of templates/policy-crds.yaml, whatever the settings are.
      .map((object) => (object.kind === 'CustomResourceDefinition' ? { ...object, spec: '…' } : object))
      .map((object) => stringify(object, { aliasDuplicateObjects: false }))
      .join('---\n')
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, text)
    assert.ok(existsSync(path), 'there is no golden file: UPDATE_GOLDEN=1')
    assert.equal(text, readFileSync(path, 'utf8'))
  })

  test(`"${name}": the registry can read its trow.yaml`, () => {
    const map = objectsOf(set).find(({ metadata }) => metadata.name === 'trow-config')
    const data = (map?.['data'] ?? {}) as Record<string, string>
    checkServeSettings(parse(data['trow.yaml'] ?? '') as Record<string, unknown>)
  })

  test(`"${name}": every object says that it is trow's, and is where it belongs`, () => {
    const { namespace } = set.settings
    for (const { kind, metadata } of objectsOf(set)) {
      assert.equal(metadata.labels?.['app.kubernetes.io/part-of'], 'trow', `${kind} ${metadata.name}`)
      const allowed = [namespace, `${namespace}-node`, 'kube-system', 'kube-public', undefined]
      assert.ok(allowed.includes(metadata.namespace), `${kind} ${metadata.name} in ${metadata.namespace}`)
    }
  })

  test(`"${name}": pods beside the registry fit its Pod Security level`, () => {
    for (const spec of podSpecs(objectsOf(set), set.settings.namespace)) assertRestricted(spec)
  })

  test(`"${name}": what the agents are told can be read by them`, () => {
    const told = nodeSettings(set.settings, set.facts, { generation: 3, canary: 'trow/canary:1' })
    assert.deepEqual(nodeSettingsSchema.parse(told), told)
  })
}

test('an autoscaler may drain a registry whose data is on a volume, and not one whose data is on the node', () => {
  const annotations = (name: string): object => {
    const { settings, facts } = optionSets[name] as OptionSet
    const { template } = wantedObjects(settings, facts, { discovery: true, baseline: true }).registry.spec
    return Object.fromEntries(
      Object.entries(template.metadata.annotations ?? {}).filter(([key]) =>
        key.startsWith('cluster-autoscaler'),
      ),
    )
  }
  assert.deepEqual(annotations('usual'), {
    'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes': 'tmp',
  })
  for (const name of ['node-port-local', 'nodes-alone'])
    assert.deepEqual(annotations(name), { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' })
})

test('pods that come and go beside the registry fit its Pod Security level too', () => {
  for (const spec of podSpecs([...readTemplate('trial'), ...readTemplate('setup')], 'trow'))
    assertRestricted(spec)
})

test('the set for repositories holds no secret, and a Job whose name changes with what it does', () => {
  const { settings, facts } = optionSets['usual'] as OptionSet
  const names = (version: string): string[] =>
    clientSet(settings, { ...facts, version, clusterIps: [] }, { schema: 5, baseline: false }).map(
      ({ kind, metadata }) => `${kind} ${metadata.name}`,
    )
  const first = names('0.1.0')
  assert.deepEqual(
    first.filter((each) => each.startsWith('Secret ')),
    [],
  )
  assert.deepEqual(first.slice(0, 2), ['Namespace trow', 'Namespace trow-node'])
  const [job] = first.filter((each) => each.startsWith('Job '))
  assert.match(job ?? '', /^Job trow-setup-[0-9a-f]{16}$/)
  assert.equal(names('0.1.0').includes(job ?? ''), true)
  assert.equal(names('0.2.0').includes(job ?? ''), false)
})

test('settings that are the cluster’s are refused in a trow.yaml of one’s own', () => {
  for (const key of ['listen', 'database', 'database-password-file', 'tls-ca', 'kubernetes', 'htpasswd'])
    assert.throws(
      () => checkConfiguration({ [key]: 'x' }),
      (error: unknown) =>
        error instanceof UserError && error.code === 'CONFIG_NOT_HERE' && error.exitCode === 2,
    )
})

interface PodSpec {
  readonly hostNetwork?: boolean
  readonly securityContext?: { runAsNonRoot?: boolean; seccompProfile?: { type: string } }
  readonly containers: readonly {
    readonly securityContext?: {
      readonly allowPrivilegeEscalation?: boolean
      readonly readOnlyRootFilesystem?: boolean
      readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] }
    }
  }[]
  readonly volumes?: readonly object[]
}

function podSpecs(objects: readonly KubeObject[], namespace: string): PodSpec[] {
  return objects.flatMap(({ kind, metadata, ...rest }) => {
    if (metadata.namespace !== namespace) return []
    const spec = rest['spec'] as PodSpec & { template?: { spec: PodSpec } }
    if (kind === 'Pod') return [spec]
    return ['StatefulSet', 'Job', 'Deployment'].includes(kind) && spec.template ? [spec.template.spec] : []
  })
}

/** https://kubernetes.io/docs/concepts/security/pod-security-standards, "Restricted". */
function assertRestricted({ hostNetwork, securityContext, containers, volumes = [] }: PodSpec): void {
  assert.notEqual(hostNetwork, true)
  assert.equal(securityContext?.runAsNonRoot, true)
  assert.equal(securityContext.seccompProfile?.type, 'RuntimeDefault')
  for (const container of containers) {
    assert.equal(container.securityContext?.allowPrivilegeEscalation, false)
    assert.equal(container.securityContext.readOnlyRootFilesystem, true)
    assert.deepEqual(container.securityContext.capabilities, { drop: ['ALL'] })
  }
  const kinds = ['configMap', 'emptyDir', 'projected', 'secret', 'persistentVolumeClaim']
  for (const volume of volumes)
    for (const key of Object.keys(volume)) assert.ok(key === 'name' || kinds.includes(key), key)
}
