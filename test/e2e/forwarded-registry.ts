import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startedServer, type ServerProcess } from '../support/server-process.ts'
import type { Cluster } from './cluster.ts'
import { ClusterNode } from './node.ts'

const rbac = 'rbac.authorization.k8s.io/v1'

/**
 * A registry that only the API server can reach: it listens on the loopback of the first node, and the Service selects
 * pods in that node's network. It identifies callers by their client certificates.
 */
export class ForwardedRegistry {
  readonly cluster: Cluster
  readonly namespace: string
  readonly server: ServerProcess
  readonly #folder: string
  #pods = 0

  private constructor(cluster: Cluster, namespace: string, server: ServerProcess, folder: string) {
    this.cluster = cluster
    this.namespace = namespace
    this.server = server
    this.#folder = folder
  }

  /** `teams`: namespaces of images, which are created. */
  static async start(
    cluster: Cluster,
    namespace: string,
    teams: readonly string[],
  ): Promise<ForwardedRegistry> {
    for (const each of [namespace, ...teams]) await cluster.emptyNamespace(each)
    const folder = mkdtempSync(join(tmpdir(), 'trow-forwarded-'))
    const kubeconfig = await cluster.clientKubeconfig({ user: 'registry', groups: ['system:masters'] })
    const server = await startedServer({
      data: join(folder, 'data'),
      args: ['--tls-auto', '--tls-san', `trow.${namespace}.svc`, '--kubernetes', '--kubeconfig', kubeconfig],
      within: ['nsenter', `--net=${new ClusterNode(1).networkNamespace}`],
    })
    const registry = new ForwardedRegistry(cluster, namespace, server, folder)
    const ca = readFileSync(join(folder, 'data', 'tls', 'ca.crt'), 'utf8')
    await registry.#apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'trow-ca' },
      data: { 'ca.crt': ca, generation: '1' },
    })
    await registry.#apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'trow' },
      spec: { selector: { app: 'trow' }, ports: [{ name: 'https', port: 443, targetPort: 'https' }] },
    })
    await registry.startPod()
    return registry
  }

  /** Starts the only pod of the Service from then on. Resolves to its name when it is Ready. */
  async startPod(): Promise<string> {
    const name = `trow-${this.#pods++}`
    const ports = [{ name: 'https', containerPort: Number(new URL(this.server.url).port) }]
    await this.#apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: 'trow' } },
      spec: {
        nodeName: 'n1',
        hostNetwork: true,
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'main', image: 'trow.test/busybox:1', ports }],
      },
    })
    await this.#kubectl('wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s')
    return name
  }

  async removePod(name: string): Promise<void> {
    await this.#kubectl('delete', 'pod', name, '--force', '--grace-period=0')
  }

  get caFile(): string {
    return join(this.#folder, 'data', 'tls', 'ca.crt')
  }

  /** Allows a user to read the objects, but not to open port-forwards. */
  async permitReading(user: string): Promise<void> {
    await this.#bind(user, this.namespace, [
      { apiGroups: [''], resources: ['pods', 'services', 'configmaps'], verbs: ['get', 'list'] },
    ])
  }

  /** Allows a user to open port-forwards, and the verbs on the repositories of a namespace. */
  async permit(user: string, namespace: string, verbs: readonly string[]): Promise<void> {
    const client = [
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
      { apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] },
      { apiGroups: [''], resources: ['services'], verbs: ['get'] },
      { apiGroups: [''], resources: ['configmaps'], verbs: ['get'] },
    ]
    await this.#bind(user, this.namespace, client)
    const repositories = { apiGroups: ['registry.trow.io'], resources: ['repositories'], verbs }
    if (verbs.length > 0) await this.#bind(user, namespace, [repositories])
  }

  async close(teams: readonly string[]): Promise<void> {
    await this.server.stop()
    await this.cluster.kubectl(['delete', 'namespace', this.namespace, ...teams, '--wait=false'])
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #bind(user: string, namespace: string, rules: readonly object[]): Promise<void> {
    const metadata = { name: user, namespace }
    await this.#apply({ apiVersion: rbac, kind: 'Role', metadata, rules })
    await this.#apply({
      apiVersion: rbac,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: user },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
    })
  }

  async #apply(object: Readonly<Record<string, unknown>>): Promise<void> {
    const { namespace = this.namespace } = object['metadata'] as { namespace?: string }
    await this.cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], { stdin: JSON.stringify(object) })
  }

  async #kubectl(...args: readonly string[]): Promise<void> {
    await this.cluster.kubectl(['-n', this.namespace, ...args])
  }
}
