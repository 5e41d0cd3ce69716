import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeTokenKeys, type Authority, type Subject } from '../support/certificate-authority.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import type { ClusterNode } from './node.ts'
import { subfolder } from './place.ts'
import { ClusterServer } from './server.ts'

export const apiAddress = { host: '172.30.0.2', port: 6443 } as const

/** Starts etcd, the API server, the controller manager and the scheduler on the first node. */
export class ControlPlane {
  readonly apiServer: ClusterServer
  readonly #node: ClusterNode
  readonly #authority: Authority

  constructor(node: ClusterNode, authority: Authority) {
    this.#node = node
    this.#authority = authority
    this.apiServer = new ClusterServer(node, 'kube-apiserver')
  }

  async makeCredentials(): Promise<void> {
    const keys = makeTokenKeys()
    writeFileSync(pki('tokens.pub'), keys.publicKey)
    writeFileSync(pki('tokens.key'), keys.privateKey, { mode: 0o600 })
    const kubernetes = ['', '.default', '.default.svc'].map((suffix) => `kubernetes${suffix}`)
    const addresses = ['127.0.0.1', apiAddress.host, '10.96.0.1']
    await this.#writePair('api-server', {
      user: 'kube-apiserver',
      names: ['localhost', ...kubernetes, ...addresses],
    })
    await this.#writePair('front-proxy', { user: 'front-proxy' })
    await this.#writePair('kubelet-client', {
      user: 'kube-apiserver-kubelet-client',
      groups: ['system:masters'],
    })
    await this.#writeKubeconfig('admin', { user: 'admin', groups: ['system:masters'] })
    for (const name of ['kube-controller-manager', 'kube-scheduler', 'kube-proxy'])
      await this.#writeKubeconfig(name, { user: `system:${name}` })
  }

  startEtcd(): void {
    new ClusterServer(this.#node, 'etcd').start([
      `--data-dir=${subfolder('etcd')}`,
      '--listen-client-urls=http://127.0.0.1:2379',
      '--advertise-client-urls=http://127.0.0.1:2379',
      '--listen-peer-urls=http://127.0.0.1:2380',
      '--unsafe-no-fsync',
    ])
  }

  startApiServer(): void {
    const ca = this.#authority.file
    this.apiServer.start([
      '--etcd-servers=http://127.0.0.1:2379',
      `--secure-port=${apiAddress.port}`,
      '--bind-address=0.0.0.0',
      `--advertise-address=${apiAddress.host}`,
      `--cert-dir=${pki()}`,
      `--client-ca-file=${ca}`,
      `--tls-cert-file=${pki('api-server.crt')}`,
      `--tls-private-key-file=${pki('api-server.key')}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${pki('tokens.pub')}`,
      `--service-account-signing-key-file=${pki('tokens.key')}`,
      '--api-audiences=https://kubernetes.default.svc',
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--allow-privileged=true',
      // Without this, exec, logs and port-forward look up the host name `n1`.
      '--kubelet-preferred-address-types=InternalIP',
      `--kubelet-client-certificate=${pki('kubelet-client.crt')}`,
      `--kubelet-client-key=${pki('kubelet-client.key')}`,
      `--kubelet-certificate-authority=${ca}`,
      `--requestheader-client-ca-file=${ca}`,
      '--requestheader-allowed-names=front-proxy',
      '--requestheader-extra-headers-prefix=X-Remote-Extra-',
      '--requestheader-group-headers=X-Remote-Group',
      '--requestheader-username-headers=X-Remote-User',
      `--proxy-client-cert-file=${pki('front-proxy.crt')}`,
      `--proxy-client-key-file=${pki('front-proxy.key')}`,
    ])
  }

  /** Resolves when the API server has made its own ConfigMaps, without which the controller manager ends. */
  startControllers(): void {
    const own = (name: string): string[] =>
      ['', 'authentication-', 'authorization-'].map((use) => `--${use}kubeconfig=${kubeconfigPath(name)}`)
    const controllers = [
      ...own('kube-controller-manager'),
      `--service-account-private-key-file=${pki('tokens.key')}`,
      `--root-ca-file=${this.#authority.file}`,
      '--use-service-account-credentials',
      `--cluster-signing-cert-file=${this.#authority.file}`,
      `--cluster-signing-key-file=${this.#authority.keyFile}`,
      `--flex-volume-plugin-dir=${subfolder('flex-volumes')}`,
      '--leader-elect=false',
    ]
    // Both end on purpose when what they know cannot be right any more: the scheduler did after an API server had been away.
    new ClusterServer(this.#node, 'kube-controller-manager').start(controllers, { again: true })
    const scheduler = [...own('kube-scheduler'), '--leader-elect=false']
    new ClusterServer(this.#node, 'kube-scheduler').start(scheduler, { again: true })
  }

  async #writePair(name: string, subject: Subject): Promise<void> {
    const { cert, key } = await this.#authority.issue(subject)
    writeFileSync(pki(`${name}.crt`), cert)
    writeFileSync(pki(`${name}.key`), key, { mode: 0o600 })
  }

  async #writeKubeconfig(name: string, subject: Subject): Promise<void> {
    writeKubeconfig(kubeconfigPath(name), {
      server: `https://${apiAddress.host}:${apiAddress.port}`,
      caFile: this.#authority.file,
      user: await this.#authority.issue(subject),
    })
  }
}

export function kubeconfigPath(name: string): string {
  return `${subfolder('kubeconfigs')}/${name}`
}

function pki(...names: readonly string[]): string {
  return join(subfolder('pki'), ...names)
}
