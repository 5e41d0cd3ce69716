import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Authority } from '../support/certificate-authority.ts'
import { apiAddress, kubeconfigPath } from './control-plane.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import type { ClusterNode } from './node.ts'
import { subfolder } from './place.ts'
import { ClusterServer } from './server.ts'

/** Starts containerd on a node whose namespaces exist, and imports every image so far. */
export async function startContainerd(node: ClusterNode): Promise<void> {
  const { folder } = node
  writeJson(join(subfolder(node.name, 'network'), '10.conflist'), {
    cniVersion: '0.4.0',
    name: 'cluster',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        ipMasq: false,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          dataDir: subfolder(node.name, 'addresses'),
          ranges: [[{ subnet: node.podRange }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  })
  writeFileSync(
    join(node.outside('/etc/containerd'), 'config.toml'),
    `version = 3
root = "${folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[ttrpc]
  address = "/run/containerd/containerd.sock.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "${folder}/opt"
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "trow.test/busybox:1"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "/etc/containerd/certs.d"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "${folder}/network"
`,
  )
  new ClusterServer(node, 'containerd').start(['-c', '/etc/containerd/config.toml'])
  await node.containerdAnswers()
  await node.importImages()
}

/** Starts the kubelet and kube-proxy. The API server must answer already. */
export async function startKubelet(
  node: ClusterNode,
  authority: Authority,
  more: readonly string[] = [],
): Promise<void> {
  const { folder, name, address } = node
  const pair = await authority.issue({
    user: `system:node:${name}`,
    groups: ['system:nodes'],
    names: [name, address],
  })
  const credentials = join(subfolder(name, 'kubelet', 'pki'), 'kubelet-client-current.pem')
  writeFileSync(credentials, `${pair.cert}${pair.key}`, { mode: 0o600 })
  writeKubeconfig(kubeconfigPath(name), {
    server: `https://${apiAddress.host}:${apiAddress.port}`,
    caFile: authority.file,
    user: pair,
  })
  writeJson(join(folder, 'kubelet.json'), {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      x509: { clientCAFile: authority.file },
      anonymous: { enabled: false },
      webhook: { enabled: true },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: credentials,
    tlsPrivateKeyFile: credentials,
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${node.namespace}`,
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    evictionHard: {},
    imageGCHighThresholdPercent: 100,
    // Without a file of its own, the kubelet would give pods the machine's resolver.
    resolvConf: join(folder, 'resolv.conf'),
    volumePluginDir: subfolder('flex-volumes'),
  })
  writeJson(join(folder, 'kube-proxy.json'), {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clientConnection: { kubeconfig: kubeconfigPath('kube-proxy') },
    mode: 'iptables',
    hostnameOverride: name,
    clusterCIDR: '10.88.0.0/16',
    conntrack: { maxPerCore: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  })
  new ClusterServer(node, 'kubelet').start([...kubeletArguments(node), ...more])
  await startKubeProxy(node)
}

/** Starts kube-proxy, or starts it again. */
export async function startKubeProxy(node: ClusterNode): Promise<void> {
  const kubeProxy = new ClusterServer(node, 'kube-proxy')
  if (kubeProxy.isRunning()) await kubeProxy.kill()
  kubeProxy.start([`--config=${join(node.folder, 'kube-proxy.json')}`])
}

/** Restarts the kubelet with additional arguments. Its pods go on. */
export async function restartKubelet(node: ClusterNode, more: readonly string[] = []): Promise<void> {
  const kubelet = new ClusterServer(node, 'kubelet')
  if (kubelet.isRunning()) await kubelet.kill()
  kubelet.start([...kubeletArguments(node), ...more])
}

function kubeletArguments({ folder, name, address }: ClusterNode): string[] {
  return [
    `--config=${join(folder, 'kubelet.json')}`,
    `--kubeconfig=${kubeconfigPath(name)}`,
    `--hostname-override=${name}`,
    `--node-ip=${address}`,
  ]
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, JSON.stringify(value))
}
