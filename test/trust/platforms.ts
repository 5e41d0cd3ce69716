import type { MachineOptions, MachineFacts } from '../../src/trust/node-trust.ts'
import type { Tree } from './machine-tree.ts'

/** A machine with the files of a distribution, and what trow must find on it. */
export interface Platform {
  readonly name: string
  readonly node?: MachineOptions['node']
  readonly tree: Tree
  readonly class: MachineFacts['class']
  readonly distribution: string
  /** The paths that are created or changed, in their order. */
  readonly paths: readonly string[]
}

export function nodeOf(
  runtime: string,
  more: Partial<NonNullable<MachineOptions['node']>> = {},
): NonNullable<MachineOptions['node']> {
  return {
    kubeletVersion: 'v1.33.1',
    containerRuntimeVersion: runtime,
    osImage: 'Debian GNU/Linux 12 (bookworm)',
    labels: { 'kubernetes.io/os': 'linux' },
    ...more,
  }
}

const v2 = (folder: string): string =>
  `version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "${folder}"\n`
const v3 = (folder: string, more = ''): string =>
  `version = 3\n[plugins."io.containerd.cri.v1.images"]\n${more}[plugins."io.containerd.cri.v1.images".registry]\n  config_path = "${folder}"\n`
const list = '/etc/containerd/certs.d:/etc/docker/certs.d'

function inFolder(folder: string): string[] {
  return ['trow.trow.svc', 'trow.trow.svc_443_'].flatMap((host) => [
    `${folder}/${host}/ca.crt`,
    `${folder}/${host}/hosts.toml`,
  ])
}

export const platforms: readonly Platform[] = [
  {
    name: 'kubeadm, containerd 1.7',
    node: nodeOf('containerd://1.7.24'),
    tree: {
      '/etc/containerd/config.toml': v2('/etc/containerd/certs.d'),
      '/etc/containerd/certs.d/': '',
      '/etc/kubernetes/kubelet.conf': '',
    },
    class: 'direct',
    distribution: 'kubeadm',
    paths: inFolder('/etc/containerd/certs.d'),
  },
  {
    name: 'kubeadm, containerd 1.7 with config_path in an import',
    node: nodeOf('containerd://1.7.24'),
    tree: {
      '/etc/containerd/config.toml': `version = 2\nimports = ["conf.d/*.toml"]\n`,
      '/etc/containerd/conf.d/50-registry.toml': v2('/srv/registries'),
      '/etc/kubernetes/': '',
    },
    class: 'direct',
    distribution: 'kubeadm',
    paths: inFolder('/srv/registries'),
  },
  {
    name: 'kubeadm, containerd 1.7 without config_path',
    node: nodeOf('containerd://1.7.24'),
    tree: { '/etc/containerd/config.toml': 'version = 2\n', '/etc/kubernetes/': '' },
    class: 'unset',
    distribution: 'kubeadm',
    paths: inFolder('/etc/containerd/certs.d'),
  },
  {
    name: 'kubeadm, containerd 2.3 without a file: the default list',
    node: nodeOf('containerd://2.3.7'),
    tree: { '/etc/kubernetes/': '', '/etc/containerd/': '' },
    class: 'colon',
    distribution: 'kubeadm',
    paths: [
      ...inFolder('/etc/containerd/certs.d'),
      '/etc/containerd/certs.d:/etc/docker/managed-by-trow',
      '/etc/containerd/certs.d:/etc/docker/certs.d',
    ],
  },
  {
    name: 'AKS, containerd 1.7',
    node: nodeOf('containerd://1.7.27-1', { labels: { 'kubernetes.azure.com/cluster': 'c' } }),
    tree: { '/etc/containerd/config.toml': v2('/etc/containerd/certs.d') },
    class: 'direct',
    distribution: 'aks',
    paths: inFolder('/etc/containerd/certs.d'),
  },
  {
    name: 'EKS AL2023, containerd 2.1: a list, pulled locally',
    node: nodeOf('containerd://2.1.5', { labels: { 'eks.amazonaws.com/nodegroup': 'g' } }),
    tree: { '/etc/containerd/config.toml': v3(list, '  discard_unpacked_layers = true\n') },
    class: 'direct',
    distribution: 'eks',
    paths: inFolder('/etc/containerd/certs.d'),
  },
  {
    name: 'EKS AL2023 with discard_unpacked_layers off',
    node: nodeOf('containerd://2.1.5', { labels: { 'eks.amazonaws.com/nodegroup': 'g' } }),
    tree: { '/etc/containerd/config.toml': v3(list, '  discard_unpacked_layers = false\n') },
    class: 'colon',
    distribution: 'eks',
    paths: [
      ...inFolder('/etc/containerd/certs.d'),
      '/etc/containerd/certs.d:/etc/docker/managed-by-trow',
      '/etc/containerd/certs.d:/etc/docker/certs.d',
    ],
  },
  {
    name: 'kind',
    node: nodeOf('containerd://2.1.1'),
    tree: {
      '/kind/version': 'v1.33.1',
      '/etc/containerd/config.toml': v3('/etc/containerd/certs.d', '  discard_unpacked_layers = true\n'),
      '/etc/containerd/certs.d/': '',
    },
    class: 'direct',
    distribution: 'kind',
    paths: inFolder('/etc/containerd/certs.d'),
  },
  {
    name: 'minikube, containerd',
    node: nodeOf('containerd://1.7.23', { labels: { 'minikube.k8s.io/name': 'minikube' } }),
    tree: { '/etc/containerd/config.toml': v2('/etc/containerd/certs.d') },
    class: 'direct',
    distribution: 'minikube',
    paths: inFolder('/etc/containerd/certs.d'),
  },
  ...['k3s', 'rke2'].map((name) => {
    const agent = `/var/lib/rancher/${name}/agent`
    return {
      name,
      node: nodeOf('containerd://2.0.5-k3s1', { kubeletVersion: `v1.33.1+${name}1` }),
      tree: {
        [`${agent}/etc/containerd/config.toml`]: v3(`${agent}/etc/containerd/certs.d`),
        [`/etc/rancher/${name}/registries.yaml`]: 'mirrors:\n  docker.io:\n    endpoint: [https://mirror]\n',
      },
      class: 'direct' as const,
      distribution: name,
      paths: inFolder(`${agent}/etc/containerd/certs.d`),
    }
  }),
  {
    name: 'k0s 1.36',
    node: nodeOf('containerd://2.2.1', { kubeletVersion: 'v1.36.0+k0s' }),
    tree: {
      '/etc/k0s/containerd.toml': 'version = 3\nimports = ["/run/k0s/containerd-cri.toml"]\n',
      '/run/k0s/containerd-cri.toml': 'version = 3\n',
    },
    class: 'direct',
    distribution: 'k0s',
    paths: [...inFolder('/etc/k0s/containerd.d/certs.d'), '/etc/k0s/containerd.d/trow.toml'],
  },
  {
    name: 'microk8s',
    node: nodeOf('containerd://1.6.28', { labels: { 'microk8s.io/cluster': 'true' } }),
    tree: {
      '/var/snap/microk8s/7000/args/containerd.toml': v2('${SNAP_DATA}/args/certs.d'),
      '/var/snap/microk8s/current': { link: '7000' },
    },
    class: 'direct',
    distribution: 'microk8s',
    paths: inFolder('/var/snap/microk8s/current/args/certs.d'),
  },
  {
    name: 'CRI-O',
    node: nodeOf('cri-o://1.33.0'),
    tree: {
      '/etc/kubernetes/': '',
      '/etc/containers/registries.conf': 'unqualified-search-registries = []\n',
    },
    class: 'direct',
    distribution: 'kubeadm',
    paths: [
      '/etc/containers/certs.d/127.0.0.1:29443/ca.crt',
      '/etc/containers/certs.d/10.96.7.7:443/ca.crt',
      '/etc/containers/registries.conf.d/50-trow-trow.trow.svc.conf',
      '/etc/containers/registries.conf.d/50-trow-trow.trow.svc_443_.conf',
    ],
  },
  {
    name: 'cri-dockerd',
    node: nodeOf('docker://26.1.5'),
    tree: { '/etc/kubernetes/': '', '/etc/hosts': '127.0.0.1 localhost\n::1 localhost # no line break here' },
    class: 'direct',
    distribution: 'kubeadm',
    paths: [
      '/etc/docker/certs.d/trow.trow.svc/ca.crt',
      '/etc/docker/certs.d/trow.trow.svc:443/ca.crt',
      '/etc/hosts',
    ],
  },
]
