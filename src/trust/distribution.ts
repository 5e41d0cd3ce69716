import type { MachineFiles } from './machine-files.ts'
import type { MachineOptions } from './node-trust.ts'

/**
 * What trow knows of a Kubernetes distribution: where its runtime has its files. Paths are as the machine
 * itself names them.
 */
export interface Distribution {
  readonly name: string
  /** True if only the platform's own tools may write its files. */
  readonly managed?: boolean
  /** containerd's main configuration file. */
  readonly config?: string
  /** containerd's folder of registry hosts, used if the configuration does not name one or cannot be read. */
  readonly folder?: string
  /** Sockets besides those that every runtime has. */
  readonly sockets?: readonly string[]
  /** The kubelet's client certificate and key; one file may hold both. */
  readonly certificates?: readonly (readonly [certificate: string, key: string])[]
}

const currentPem = '/var/lib/kubelet/pki/kubelet-client-current.pem'
const kubeadmCertificates = [[currentPem, currentPem]] as const
const plain = (name: string): Distribution => ({ name, certificates: kubeadmCertificates })
const managed = (name: string): Distribution => ({ name, managed: true })

const rancher = (name: string): Distribution => {
  const agent = `/var/lib/rancher/${name}/agent`
  return {
    name,
    config: `${agent}/etc/containerd/config.toml`,
    folder: `${agent}/etc/containerd/certs.d`,
    sockets: ['/run/k3s/containerd/containerd.sock'],
    certificates: [[`${agent}/client-kubelet.crt`, `${agent}/client-kubelet.key`]],
  }
}
const k0sPem = '/var/lib/k0s/kubelet/pki/kubelet-client-current.pem'
const k0s: Distribution = {
  name: 'k0s',
  config: '/etc/k0s/containerd.toml',
  sockets: ['/run/k0s/containerd.sock'],
  certificates: [[k0sPem, k0sPem]],
}
const snap = '/var/snap/microk8s'
const microk8s: Distribution = {
  name: 'microk8s',
  config: `${snap}/current/args/containerd.toml`,
  folder: `${snap}/current/args/certs.d`,
  sockets: [`${snap}/common/run/containerd.sock`],
  certificates: [[`${snap}/current/certs/kubelet.crt`, `${snap}/current/certs/kubelet.key`]],
}

/** Facts of a Node object that identify a distribution, the most specific first. */
const byNode: readonly {
  readonly distribution: Distribution
  readonly kubelet?: string
  readonly image?: RegExp
  /** A label. One that ends with a slash is a prefix; one with `=` includes the value. */
  readonly label?: string
}[] = [
  { distribution: managed('windows'), label: 'kubernetes.io/os=windows' },
  { distribution: managed('fargate'), label: 'eks.amazonaws.com/compute-type=fargate' },
  { distribution: rancher('k3s'), kubelet: '+k3s' },
  { distribution: rancher('rke2'), kubelet: '+rke2' },
  { distribution: k0s, kubelet: '+k0s' },
  { distribution: managed('talos'), image: /^talos\b/i },
  { distribution: managed('bottlerocket'), image: /^bottlerocket\b/i },
  { distribution: managed('docker-desktop'), image: /^docker desktop\b/i },
  { distribution: managed('openshift'), image: /red hat enterprise linux coreos|openshift/i },
  { distribution: managed('openshift'), label: 'node.openshift.io/' },
  { distribution: managed('gke'), label: 'cloud.google.com/gke-nodepool' },
  { distribution: { name: 'eks' }, label: 'eks.amazonaws.com/' },
  { distribution: plain('aks'), label: 'kubernetes.azure.com/' },
  { distribution: plain('digitalocean'), label: 'doks.digitalocean.com/' },
  { distribution: microk8s, label: 'microk8s.io/' },
  { distribution: plain('minikube'), label: 'minikube.k8s.io/' },
]

/**
 * Facts of the machine itself that identify a distribution, the most specific first: the ID of os-release, or
 * a path that exists.
 */
const byFiles: readonly {
  readonly distribution: Distribution
  readonly id?: string
  readonly path?: string
}[] = [
  { distribution: managed('talos'), id: 'talos' },
  { distribution: managed('bottlerocket'), id: 'bottlerocket' },
  { distribution: managed('openshift'), id: 'rhcos' },
  { distribution: managed('gke'), id: 'cos' },
  { distribution: rancher('rke2'), path: '/var/lib/rancher/rke2/agent' },
  { distribution: rancher('k3s'), path: '/var/lib/rancher/k3s/agent' },
  { distribution: k0s, path: '/var/lib/k0s' },
  { distribution: microk8s, path: `${snap}/current` },
  { distribution: plain('kind'), path: '/kind/version' },
  { distribution: plain('minikube'), path: '/var/lib/minikube' },
  { distribution: { name: 'eks' }, path: '/etc/eks' },
  { distribution: plain('kubeadm'), path: '/etc/kubernetes' },
  { distribution: plain('kubeadm'), path: '/var/lib/kubelet' },
]

export async function findDistribution(
  files: MachineFiles,
  node: MachineOptions['node'],
): Promise<Distribution> {
  if (node !== undefined) {
    const labels = Object.entries(node.labels)
    const found = byNode.find(
      ({ kubelet, image, label }) =>
        (kubelet !== undefined && node.kubeletVersion.includes(kubelet)) ||
        image?.test(node.osImage) === true ||
        (label !== undefined && labels.some(([key, value]) => hasLabel(label, key, value))),
    )
    if (found !== undefined) return found.distribution
  }
  const id = await systemId(files)
  for (const { distribution, id: wanted, path } of byFiles) {
    if (wanted !== undefined && wanted === id) return distribution
    if (path !== undefined && (await files.kind(path)) !== undefined) return distribution
  }
  return node === undefined ? { name: 'none', certificates: kubeadmCertificates } : plain('kubeadm')
}

function hasLabel(wanted: string, key: string, value: string): boolean {
  return wanted.endsWith('/') ? key.startsWith(wanted) : wanted === key || wanted === `${key}=${value}`
}

/** `ID` of os-release(5). */
async function systemId(files: MachineFiles): Promise<string | undefined> {
  const text = (await files.read('/etc/os-release')) ?? (await files.read('/usr/lib/os-release')) ?? ''
  return /^ID=["']?([^"'\s]*)["']?\s*$/m.exec(text)?.[1]
}
