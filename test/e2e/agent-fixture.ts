import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hash } from '@node-rs/bcrypt'
import tar from 'tar-stream'
import { stringify } from 'yaml'
import type { NodeReport } from '../../src/cluster/node-report.ts'
import { nodeReportSchema } from '../../src/cluster/node-report.ts'
import type { NodeSettings } from '../../src/cluster/node-settings.ts'
import { basic } from '../support/ways.ts'
import { startedServer, type ServerProcess } from '../support/server-process.ts'
import { tokenOf } from './cluster-access.ts'
import { apiAddress } from './control-plane.ts'
import type { Cluster } from './cluster.ts'
import type { ClusterNode } from './node.ts'
import { eventually } from '../support/program.ts'
import { RegistryClient } from './registry-client.ts'

const program = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))
export const namespace = 'agent-test'
export const agentNamespace = `${namespace}-node`
export const imageHost = 'trow.agent-test.svc'

/** A `trow trust-node --watch` in the network and mount namespaces of a node. */
export interface AgentProcess {
  /** Milliseconds since the epoch. */
  readonly started: number
  output(): string
  /** `VmRSS:   80000 kB`. */
  memory(): string
  kill(): Promise<void>
  stop(): Promise<number | null>
}

/** A registry with the access control of the cluster, its Service, and agents on the nodes. */
export class AgentFixture {
  readonly cluster: Cluster
  readonly server: ServerProcess
  readonly folder: string
  readonly clusterIp: string
  /** Of the registry on the first node. */
  readonly port: number
  readonly canary: string
  readonly #agents = new Set<AgentProcess>()

  private constructor(
    parts: Pick<AgentFixture, 'cluster' | 'server' | 'folder' | 'clusterIp' | 'port' | 'canary'>,
  ) {
    this.cluster = parts.cluster
    this.server = parts.server
    this.folder = parts.folder
    this.clusterIp = parts.clusterIp
    this.port = parts.port
    this.canary = parts.canary
  }

  /** `more`: further settings of the registry. `access` is added to its rules. */
  static async start(cluster: Cluster, more: RegistrySettings = {}): Promise<AgentFixture> {
    await cluster.kubectl([
      'delete',
      'namespace',
      namespace,
      agentNamespace,
      '--ignore-not-found',
      '--timeout=60s',
    ])
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'trow', namespace },
      spec: { ports: [{ name: 'https', port: 443, targetPort: 8443 }] },
    }
    await create(cluster, [...accounts(), service])
    const clusterIp = (
      await cluster.kubectl(['-n', namespace, 'get', 'service', 'trow', '-o', 'jsonpath={.spec.clusterIP}'])
    ).trim()
    const folder = mkdtempSync(join(tmpdir(), 'trow-agent-'))
    const server = await startRegistry(cluster, folder, clusterIp, more)
    const { port } = await cluster.relayInto(0, Number(new URL(server.url).port))
    const canary = await pushCanary(server.url, readFileSync(caOf(folder), 'utf8'))
    const fixture = new AgentFixture({ cluster, server, folder, clusterIp, port, canary })
    await fixture.setEndpoints(true)
    return fixture
  }

  get ca(): string {
    return readFileSync(caOf(this.folder), 'utf8')
  }

  /** Returns a client with all rights. The caller closes it. */
  keeper(): RegistryClient {
    return keeperOf(this.server.url, this.ca)
  }

  /** Whether the Service has the registry behind it. */
  async setEndpoints(present: boolean): Promise<void> {
    const endpoint = { addresses: [apiAddress.host], conditions: { ready: true, serving: true } }
    await apply(this.cluster, [
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: 'trow-1', namespace, labels: { 'kubernetes.io/service-name': 'trow' } },
        addressType: 'IPv4',
        ports: [{ name: 'https', port: this.port, protocol: 'TCP' }],
        endpoints: present ? [endpoint] : [],
      },
    ])
  }

  /** What the agents are told. */
  async putDesiredState(changes: Partial<NodeSettings> = {}, ca = this.ca): Promise<void> {
    const settings: NodeSettings = {
      version: 1,
      mode: 'trust',
      generation: 1,
      hosts: [imageHost],
      registry: { namespace, service: 'trow' },
      loopbackPort: 29543,
      clusterIps: [this.clusterIp],
      canary: this.canary,
      restartRuntime: false,
      issueCertificates: false,
      editHosts: false,
      ...changes,
    }
    await this.tellText(JSON.stringify(settings), ca)
  }

  async tellText(settings: string, ca: string): Promise<void> {
    const data = { 'settings.json': settings, 'ca.crt': ca }
    const metadata = { name: 'trow-orders', namespace }
    await apply(this.cluster, [{ apiVersion: 'v1', kind: 'ConfigMap', metadata, data }])
  }

  /** `hide`: a folder that only the agent sees as empty. */
  async startAgent(node: ClusterNode, { hide }: { readonly hide?: string } = {}): Promise<AgentProcess> {
    const pod = `agent-${node.name}`
    await create(this.cluster, [agentPod(pod, node.name)]).catch(() => undefined)
    const bound = ['--bound-object-kind=Pod', `--bound-object-name=${pod}`]
    const account = ['-n', agentNamespace]
    const token = await tokenOf(this.cluster, 'trow-node', ...account, '--audience=trow', ...bound)
    const tokenFile = join(this.folder, `${node.name}.token`)
    writeFileSync(tokenFile, token, { mode: 0o600 })
    const kubeconfig = this.cluster.tokenKubeconfig(
      await tokenOf(this.cluster, 'trow-node', ...account, ...bound),
    )
    const args = [
      'trust-node',
      '--watch',
      '--host-root',
      '/',
      '--node',
      node.name,
      '-n',
      namespace,
      '--image-host',
      imageHost,
    ]
    const own = [
      '--kubeconfig',
      kubeconfig,
      '--token-file',
      tokenFile,
      '--health',
      '127.0.0.1:29544',
      '--grace=5s',
    ]
    const hidden = hide === undefined ? [] : ['unshare', '--mount', '--propagation=private', 'sh', '-c']
    const command = [process.execPath, program, ...args, ...own]
    const whole = hide === undefined ? command : [`mount -t tmpfs none ${hide} && exec ${command.join(' ')}`]
    const agent = startProcess('nsenter', [...node.entrance, ...hidden, ...whole])
    this.#agents.add(agent)
    return agent
  }

  async report(node: ClusterNode): Promise<NodeReport> {
    const path = ['-n', agentNamespace, 'get', 'configmap', `node-${node.name}`, '-o', 'json']
    const { data } = JSON.parse(await this.cluster.kubectl(path)) as { data: Record<string, string> }
    return nodeReportSchema.parse(JSON.parse(data['report.json'] ?? ''))
  }

  /** Resolves to the first report that matches. Throws the last report if none does. */
  async reported(node: ClusterNode, holds: (report: NodeReport) => boolean): Promise<NodeReport> {
    return eventually(async () => {
      const report = await this.report(node)
      if (holds(report)) return report
      throw new Error(JSON.stringify(report, undefined, 1))
    }, 60_000)
  }

  async close(): Promise<void> {
    for (const agent of this.#agents) await agent.stop()
    await this.server.stop()
    await this.cluster.kubectl([
      'delete',
      'clusterrolebinding',
      'agent-test-reviews',
      'agent-test-nodes',
      '--ignore-not-found',
    ])
    await this.cluster.kubectl(['delete', 'clusterrole', 'agent-test-nodes', '--ignore-not-found'])
    await this.cluster.kubectl([
      '-n',
      'kube-system',
      'delete',
      'rolebinding',
      'agent-test-reader',
      '--ignore-not-found',
    ])
    await this.cluster.kubectl([
      'delete',
      'namespace',
      namespace,
      agentNamespace,
      '--wait=false',
      '--ignore-not-found',
    ])
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Describes every path below the node's folders for registries, without the files of other suites' agents. */
export function treeOf(node: ClusterNode): Readonly<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const root of [node.outside('/etc/containerd'), '/var/lib/trow-node']) {
    if (!existsSync(root)) continue
    for (const name of ['.', ...readdirSync(root, { recursive: true, encoding: 'utf8' })]) {
      const at = join(root, name)
      const [, host = imageHost] = /\/certs\.d\/([^/]+)/.exec(at) ?? []
      if (!host.startsWith(imageHost)) continue
      const { mode, uid, gid } = lstatSync(at)
      const content = lstatSync(at).isFile() ? readFileSync(at, 'latin1') : ''
      found[at] = `${mode.toString(8)} ${uid}:${gid} ${content}`
    }
  }
  return found
}

function startProcess(command: string, args: readonly string[]): AgentProcess {
  const child: ChildProcess = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text))
  const exited = once(child, 'close')
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await exited
    return child.exitCode
  }
  const { pid } = child
  return {
    started: Date.now(),
    output: () => output,
    memory: () => /VmRSS.*/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[0] ?? '',
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
  }
}

interface RegistrySettings {
  readonly access?: readonly object[]
  readonly [name: string]: unknown
}

async function startRegistry(
  cluster: Cluster,
  folder: string,
  clusterIp: string,
  more: RegistrySettings,
): Promise<ServerProcess> {
  const token = await tokenOf(cluster, 'trow', '-n', namespace)
  const kubeconfig = cluster.tokenKubeconfig(token, `https://127.0.0.1:${(await cluster.relay()).port}`)
  const htpasswd = join(folder, 'htpasswd')
  writeFileSync(htpasswd, `keeper:${await hash('keeper-pw', 4)}\n`)
  const access = [
    { who: ['keeper'], repositories: ['**'], actions: ['pull', 'push'] },
    { who: ['nodes'], repositories: ['trow/**'], actions: ['pull'] },
    ...(more.access ?? []),
  ]
  const settings = {
    ...more,
    kubernetes: true,
    kubeconfig,
    htpasswd,
    access,
    'tls-san': [apiAddress.host, clusterIp, imageHost],
    'node-agents': [`${agentNamespace}:trow-node`],
  }
  writeFileSync(join(folder, 'trow.yaml'), stringify(settings))
  return startedServer({
    data: join(folder, 'data'),
    args: ['--config', join(folder, 'trow.yaml'), '--tls-auto'],
  })
}

function caOf(folder: string): string {
  return join(folder, 'data', 'tls', 'ca.crt')
}

/** The account with all rights in the registry. */
function keeperOf(url: string, ca: string): RegistryClient {
  return new RegistryClient(url, ca, { authorization: basic('keeper', 'keeper-pw') })
}

/** Pushes an image of some hundred bytes. Returns `repository@digest`. */
async function pushCanary(url: string, ca: string): Promise<string> {
  const client = keeperOf(url, ca)
  const send = async (method: string, path: string, body: Buffer, type: string): Promise<void> => {
    const reply = await client.send({ method, path, headers: { 'Content-Type': type }, body })
    if (reply.status !== 201) throw new Error(`${path}: ${reply.status} ${reply.body}`)
  }
  const push = async (body: Buffer, mediaType: string): Promise<object> => {
    const digest = digestOf(body)
    const path = `/v2/trow/canary/blobs/uploads/?digest=${digest}`
    await send('POST', path, body, 'application/octet-stream')
    return { mediaType, digest, size: body.length }
  }
  const pack = tar.pack()
  pack.entry({ name: 'canary' }, 'it sings\n')
  pack.finalize()
  const pieces: Buffer[] = []
  for await (const piece of pack) pieces.push(piece as Buffer)
  const layer = Buffer.concat(pieces)
  const rootfs = { type: 'layers', diff_ids: [digestOf(layer)] }
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  const config = Buffer.from(JSON.stringify({ architecture, os: 'linux', config: {}, rootfs }))
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: await push(config, 'application/vnd.oci.image.config.v1+json'),
      layers: [await push(layer, 'application/vnd.oci.image.layer.v1.tar')],
    }),
  )
  await send('PUT', '/v2/trow/canary/manifests/1', manifest, mediaType)
  await client.close()
  return `trow/canary@${digestOf(manifest)}`
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

/** Rights: the registry's account may make reviews, that of the agents has the rights of templates/node.yaml. */
function accounts(): object[] {
  const account = (name: string, of: string) => ({ kind: 'ServiceAccount', name, namespace: of })
  const binding = (name: string, role: string, subject: object) => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [subject],
  })
  const role = (of: string, rules: object[]) => [
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'agents', namespace: of },
      rules,
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'agents', namespace: of },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'agents' },
      subjects: [account('trow-node', agentNamespace)],
    },
  ]
  const read = ['get', 'list', 'watch']
  const rule = (apiGroup: string, resource: string, verbs: string[]) => ({
    apiGroups: [apiGroup],
    resources: [resource],
    verbs,
  })
  const serviceAccount = (name: string, of: string) => ({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name, namespace: of },
  })
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: agentNamespace } },
    serviceAccount('trow', namespace),
    serviceAccount('trow-node', agentNamespace),
    binding('agent-test-reviews', 'system:auth-delegator', account('trow', namespace)),
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'agent-test-reader', namespace: 'kube-system' },
      roleRef: {
        apiGroup: 'rbac.authorization.k8s.io',
        kind: 'Role',
        name: 'extension-apiserver-authentication-reader',
      },
      subjects: [account('trow', namespace)],
    },
    ...role(namespace, [rule('discovery.k8s.io', 'endpointslices', read), rule('', 'configmaps', read)]),
    ...role(agentNamespace, [
      rule('', 'configmaps', ['get', 'create', 'patch']),
      rule('coordination.k8s.io', 'leases', ['get', 'list', 'create', 'patch']),
    ]),
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'agent-test-nodes' },
      rules: [rule('', 'nodes', read), rule('', 'serviceaccounts', ['get'])],
    },
    {
      ...binding('agent-test-nodes', 'agent-test-nodes', account('trow-node', agentNamespace)),
      // The registry checks whether the node of a certificate, and the account of the agents, still exist.
      subjects: [account('trow-node', agentNamespace), account('trow', namespace)],
    },
  ]
}

/** A pod that is never run. It binds the agent's token to the node. */
function agentPod(name: string, node: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: agentNamespace },
    spec: {
      serviceAccountName: 'trow-node',
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', image: 'trow.test/busybox:1' }],
    },
  }
}

async function create(cluster: Cluster, objects: readonly object[]): Promise<void> {
  await cluster.kubectl(['create', '-f', '-'], {
    stdin: objects.map((each) => JSON.stringify(each)).join('\n'),
  })
}

async function apply(cluster: Cluster, objects: readonly object[]): Promise<void> {
  const stdin = objects.map((each) => JSON.stringify(each)).join('\n')
  await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], { stdin })
}
