import type { KubeObject } from '../cluster/cluster-objects.ts'
import { labels, layoutOf, names } from '../cluster/layout.ts'
import { hasNodePort, type InstallFacts, type InstallSettings } from './install-settings.ts'
import { configurationDigest } from './registry-configuration.ts'
import { pick, place, readTemplate, withMetadata } from './template.ts'
import { withContainer, withPods, type PodSpec, type Workload } from './workload.ts'

/**
 * Returns all objects of the registry except the StatefulSet, which is applied after everything that it
 * needs.
 */
export function registryObjects(settings: InstallSettings, facts: InstallFacts): KubeObject[] {
  const layout = layoutOf(settings.namespace)
  const objects = readTemplate('registry')
    .filter(({ kind }) => kind !== 'StatefulSet')
    .map((object) => place(object, layout, 'registry'))
    .map((object) => (isService(object) ? withAddress(object, settings, facts) : object))
  return [...objects, ...ingress(settings)]
}

export function registryStatefulSet(settings: InstallSettings, facts: InstallFacts): Workload {
  const template = place(
    pick<Workload>(readTemplate('registry'), 'StatefulSet'),
    layoutOf(settings.namespace),
    'registry',
  )
  const workload = withPods(
    template,
    'registry',
    (spec) => withTlsSecret(withData(withImage(spec, facts.image), settings), settings),
    { 'trow.io/configuration': configurationDigest(settings, facts), ...evictable(settings) },
  )
  const claims = claimTemplates(settings)
  return claims.length === 0
    ? workload
    : { ...workload, spec: { ...workload.spec, volumeClaimTemplates: claims } }
}

/**
 * A cluster autoscaler does not remove a node with a pod that has local volumes. If the data is on a claim,
 * /tmp is the only local volume, and the pod may move. Data in a folder of the node would not follow the pod.
 */
function evictable({ storage }: InstallSettings): Readonly<Record<string, string>> {
  const prefix = 'cluster-autoscaler.kubernetes.io/safe-to-evict'
  if (storage.kind === 'claim') return { [`${prefix}-local-volumes`]: 'tmp' }
  return { [prefix]: 'false' }
}

export function withImage(spec: PodSpec, image: string): PodSpec {
  return withContainer(spec, (container) => ({ ...container, image }))
}

export function volumeName(namespace: string): string {
  return `${namespace}-data`
}

/**
 * Returns the volume of --storage local and the pod that creates its folder; `undefined` for other storage.
 */
export function localVolume(
  settings: InstallSettings,
  image: string,
): { readonly volume: KubeObject; readonly folder: KubeObject } | undefined {
  const { storage, namespace } = settings
  if (storage.kind !== 'local') return undefined
  const layout = layoutOf(namespace)
  const template = readTemplate('volume')
  const volume = withMetadata(place(pick<LocalVolume>(template, 'PersistentVolume'), layout, 'registry'), {
    name: volumeName(namespace),
  })
  const key = 'kubernetes.io/hostname'
  const folder = place(pick<FolderPod>(template, 'Pod'), layout, 'registry')
  const [data] = folder.spec.volumes
  return {
    volume: {
      ...volume,
      spec: {
        ...volume.spec,
        capacity: { storage: storage.size },
        claimRef: { ...volume.spec.claimRef, namespace },
        local: { path: storage.path },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key, operator: 'In', values: [storage.node ?? ''] }] },
            ],
          },
        },
      },
    },
    folder: {
      ...folder,
      spec: {
        ...withImage(folder.spec, image),
        nodeName: storage.node ?? '',
        volumes: [{ ...data, hostPath: { path: storage.path, type: 'DirectoryOrCreate' } }],
      },
    },
  }
}

interface LocalVolume extends KubeObject {
  readonly spec: { readonly claimRef: object; readonly [field: string]: unknown }
}

interface FolderPod extends KubeObject {
  readonly spec: PodSpec
}

interface Service extends KubeObject {
  readonly spec: {
    readonly ports: readonly [Readonly<Record<string, unknown>>]
    readonly [field: string]: unknown
  }
}

function isService(object: KubeObject): object is Service {
  return object.kind === 'Service' && object.metadata.name === names.service
}

function withAddress(service: Service, settings: InstallSettings, facts: InstallFacts): Service {
  const [port] = service.spec.ports
  const [clusterIP] = facts.clusterIps
  const nodePort = settings.nodePort ?? (hasNodePort(settings) ? facts.nodePort : undefined)
  return {
    ...service,
    spec: {
      ...service.spec,
      type: settings.serviceType,
      ...(clusterIP === undefined ? {} : { clusterIP, clusterIPs: [...facts.clusterIps] }),
      ports: [{ ...port, ...(nodePort === undefined ? {} : { nodePort }) }],
    },
  }
}

function withData(spec: PodSpec, { storage }: InstallSettings): PodSpec {
  return storage.kind === 'ephemeral'
    ? { ...spec, volumes: [...spec.volumes, { name: 'data', emptyDir: {} }] }
    : spec
}

function withTlsSecret(spec: PodSpec, { tlsSecret }: InstallSettings): PodSpec {
  if (tlsSecret === undefined) return spec
  const mount = { name: 'tls', mountPath: '/etc/trow/tls', readOnly: true }
  const volume = { name: 'tls', secret: { secretName: tlsSecret, defaultMode: 0o440 } }
  const mounted = withContainer(spec, (container) => ({
    ...container,
    volumeMounts: [...container.volumeMounts, mount],
  }))
  return { ...mounted, volumes: [...spec.volumes, volume] }
}

function claimTemplates({ storage }: InstallSettings): object[] {
  if (storage.kind === 'ephemeral') return []
  const className = storage.kind === 'local' ? 'trow-local' : storage.className
  return [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data', labels: labels.of('registry') },
      spec: {
        accessModes: ['ReadWriteOnce'],
        volumeMode: 'Filesystem',
        resources: { requests: { storage: storage.size } },
        ...(className === undefined ? {} : { storageClassName: className }),
      },
    },
  ]
}

interface Ingress extends KubeObject {
  readonly spec: {
    readonly rules: readonly [Readonly<Record<string, unknown>>]
    readonly [field: string]: unknown
  }
}

function ingress({ ingressClass, host, tlsSecret, namespace }: InstallSettings): KubeObject[] {
  if (ingressClass === undefined || host === undefined) return []
  const object = place(pick<Ingress>(readTemplate('ingress'), 'Ingress'), layoutOf(namespace), 'registry')
  const [rule] = object.spec.rules
  const tls = [{ hosts: [host], ...(tlsSecret === undefined ? {} : { secretName: tlsSecret }) }]
  return [
    { ...object, spec: { ...object.spec, ingressClassName: ingressClass, tls, rules: [{ ...rule, host }] } },
  ]
}
