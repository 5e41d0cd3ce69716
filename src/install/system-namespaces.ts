import { z } from 'zod'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { excludedNamespaces } from './admission-objects.ts'
import type { InstallSettings } from './install-settings.ts'

/** A namespace whose pods other pods need before they can run. */
export interface SystemNamespace {
  readonly namespace: string
  /** `network (DaemonSet cilium)`. */
  readonly because: string
}

const workloadSchema = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({
        hostNetwork: z.boolean().optional(),
        containers: z.array(z.object({ image: z.string().default('') })).default([]),
        volumes: z.array(z.object({ hostPath: z.object({ path: z.string() }).optional() })).nullish(),
      }),
    }),
  }),
})
const kinds = ['DaemonSet', 'Deployment', 'StatefulSet']
const networkFolders = ['/etc/cni', '/opt/cni']
const storageFolders = ['/var/lib/kubelet/plugins', '/var/lib/kubelet/plugins_registry']
const storageImages = /^(?:csi-[a-z]|.*-csi\b|.*-?provisioner$)/
const dnsImages = /^(?:coredns|node-local-dns|k8s-dns-node-cache|kube-dns)\b/

/**
 * Finds the namespaces of network, storage and DNS that the webhook would judge with these settings. If their pods had to wait for
 * trow, and trow for them, nothing would start any more. Rejects with ClusterFault.
 */
export async function judgedSystemNamespaces(
  cluster: ClusterObjects,
  settings: InstallSettings,
): Promise<readonly SystemNamespace[]> {
  const excluded = new Set(excludedNamespaces(settings))
  const lists = await Promise.all(
    kinds.map(async (kind) =>
      (await cluster.list({ apiVersion: 'apps/v1', kind })).map((object) => ({ kind, object })),
    ),
  )
  const found = new Map<string, string>()
  for (const { kind, object } of lists.flat()) {
    const { namespace = '', name } = object.metadata
    const purpose = purposeOf(object)
    if (purpose === undefined || excluded.has(namespace) || found.has(namespace)) continue
    found.set(namespace, `${purpose} (${kind} ${name})`)
  }
  return [...found].map(([namespace, because]) => ({ namespace, because })).sort(byName)
}

/** Why `Fail` is refused where there are such namespaces. */
export function failRefusedWords(judged: readonly SystemNamespace[]): string {
  const list = judged.map(({ namespace, because }) => `${namespace}: ${because}`).join('; ')
  return `pods that others need to start would be judged, and with trow down nothing would come up again (${list})`
}

export function failRefusedHint(
  judged: readonly SystemNamespace[],
  { exemptNamespaces }: InstallSettings,
): string {
  const names = [...exemptNamespaces, ...judged.map(({ namespace }) => namespace)]
  return `Add --exempt-namespaces ${names.join(',')}, or --admission-failure-policy ignore.`
}

function purposeOf(workload: KubeObject): 'network' | 'storage' | 'DNS' | undefined {
  const { data } = workloadSchema.safeParse(workload)
  if (data === undefined) return undefined
  const { hostNetwork = false, containers, volumes } = data.spec.template.spec
  const images = containers.map(({ image }) => baseName(image))
  const folders = (volumes ?? []).flatMap(({ hostPath }) => hostPath?.path ?? [])
  const mounts = (of: readonly string[]): boolean =>
    folders.some((folder) => of.some((each) => folder === each || folder.startsWith(`${each}/`)))
  if (hostNetwork && mounts(networkFolders)) return 'network'
  if (mounts(storageFolders) || images.some((image) => storageImages.test(image))) return 'storage'
  return images.some((image) => dnsImages.test(image)) ? 'DNS' : undefined
}

/** `coredns` of `registry.k8s.io/coredns/coredns:v1.12.0`. */
function baseName(image: string): string {
  const [path = ''] = image.split('@')
  return (path.split('/').at(-1) ?? '').replace(/:.*$/, '')
}

function byName(one: SystemNamespace, other: SystemNamespace): number {
  return one.namespace < other.namespace ? -1 : 1
}
