import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startedServer, type ServerOptions, type ServerProcess } from '../support/server-process.ts'
import { binary } from '../support/cluster-binaries.ts'
import { Authority, type Subject } from '../support/certificate-authority.ts'
import { apiAddress, ControlPlane, kubeconfigPath } from './control-plane.ts'
import { busyboxImage, writeImageArchive, type Image } from './image.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { lockMachine } from './lock.ts'
import { ClusterNode } from './node.ts'
import { startContainerd, startKubelet } from './node-servers.ts'
import { clusterFolder, sharedCluster, subfolder } from './place.ts'
import { eventually, runProgram, type ProgramOptions } from '../support/program.ts'
import { relayIn, relayOut, type Relay } from './relay.ts'
import { removeCluster } from './removal.ts'

/**
 * A real Kubernetes on this machine, without access to other networks. Its state is in files, so that several processes
 * can use it. The process that started it ends it, at the latest when that process ends.
 */
export class Cluster {
  readonly caFile: string
  readonly #authority: Authority
  readonly #controlPlane: ControlPlane
  readonly #relays = new Set<Relay>()
  readonly #end: (() => void) | undefined

  private constructor(authority: Authority, end?: () => void) {
    this.#authority = authority
    this.caFile = authority.file
    this.#controlPlane = new ControlPlane(new ClusterNode(1), authority)
    this.#end = end
  }

  /** Opens the cluster of the run; without a run, starts a cluster for the test file. */
  static async open(): Promise<Cluster> {
    if (process.env[sharedCluster] === undefined) return Cluster.start()
    return new Cluster(new Authority(subfolder('pki')))
  }

  /** Starts a cluster, and resolves when its nodes are Ready. First removes what a killed run has left. */
  static async start({ nodes = 2, log = console.log } = {}): Promise<Cluster> {
    const lock = await lockMachine(log)
    removeCluster()
    mkdirSync(clusterFolder)
    const endEarly = endWithProcess()
    const end = (): void => {
      endEarly()
      lock.close()
    }
    try {
      const cluster = new Cluster(await Authority.create(subfolder('pki')), end)
      await writeImageArchive(join(subfolder('images'), 'busybox.tar'), busyboxImage())
      await cluster.#startControlPlane()
      await cluster.#join(new ClusterNode(1))
      while (cluster.nodes.length < nodes) await cluster.addNode()
      await cluster.#accountOf('default')
      return cluster
    } catch (error) {
      const logs = lastLines()
      end()
      throw new Error(`the cluster did not start\n${logs}`, { cause: error })
    }
  }

  get nodes(): readonly ClusterNode[] {
    return readdirSync(subfolder())
      .flatMap((name) => /^n(\d+)$/.exec(name)?.[1] ?? [])
      .map((index) => new ClusterNode(Number(index)))
      .sort((one, other) => one.index - other.index)
  }

  /** Runs kubectl as the administrator, or with another `kubeconfig`; throws ProgramError. */
  async kubectl(
    args: readonly string[],
    options: ProgramOptions & { readonly kubeconfig?: string } = {},
  ): Promise<string> {
    const { kubeconfig = this.kubeconfig() } = options
    const env = { ...options.env, KUBECACHEDIR: subfolder('kubectl-cache'), KUBERC: 'off' }
    const network = `--net=${new ClusterNode(1).networkNamespace}`
    const command = [network, binary('kubectl'), '--kubeconfig', kubeconfig, ...args]
    return runProgram('nsenter', command, { ...options, env })
  }

  /** Makes an empty namespace that accepts pods. First deletes an existing one of the same name. */
  async emptyNamespace(name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    // Another test file may have left it terminating.
    await this.kubectl(['delete', 'namespace', name, '--ignore-not-found', '--timeout=60s'])
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
    await this.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(namespace) })
    await this.#accountOf(name)
  }

  /** Returns the path of the administrator's kubeconfig. Without a `server` all kubeconfigs are for the nodes' network. */
  kubeconfig(): string {
    return kubeconfigPath('admin')
  }

  /** The path of a kubeconfig with a client certificate. */
  async clientKubeconfig({ server, ...subject }: Subject & { readonly server?: string }): Promise<string> {
    return this.#writeKubeconfig(await this.#authority.issue(subject), server)
  }

  /** The path of a kubeconfig with a bearer token. */
  tokenKubeconfig(token: string, server?: string): string {
    return this.#writeKubeconfig({ token }, server)
  }

  /** Adds a node and waits until it is Ready. `more`: arguments of its kubelet. */
  async addNode(more: readonly string[] = []): Promise<ClusterNode> {
    const others = this.nodes
    const node = new ClusterNode(others.length + 1)
    await this.#startNode(node, others)
    await this.#join(node, more)
    return node
  }

  /** Imports an image into every node, also into nodes that are added later. */
  async importImage(image: Image): Promise<void> {
    const archive = `${randomUUID()}.tar`
    await writeImageArchive(join(subfolder('images'), archive), image)
    for (const node of this.nodes) await node.importImage(archive)
  }

  /** Stops the API server: connections are refused, or with `frozen` get no answer. */
  async stopApiServer(how: 'killed' | 'frozen' = 'killed'): Promise<void> {
    const { apiServer } = this.#controlPlane
    if (how === 'killed') await apiServer.kill()
    else apiServer.signal('SIGSTOP')
  }

  async startApiServer(): Promise<void> {
    const { apiServer } = this.#controlPlane
    if (apiServer.isRunning()) apiServer.signal('SIGCONT')
    else this.#controlPlane.startApiServer()
    await this.#apiAnswers()
  }

  /** Opens a port of 127.0.0.1 for an address in the nodes' network. */
  async relay(host: string = apiAddress.host, port: number = apiAddress.port): Promise<Relay> {
    return this.#keep(await relayOut(new ClusterNode(1).networkNamespace, this.#socket(), { host, port }))
  }

  /** Opens an address of the first node for a port of 127.0.0.1. `port` 0: the system chooses. */
  async relayInto(port: number, target: number): Promise<Relay> {
    const from = { host: apiAddress.host, port }
    return this.#keep(await relayIn(new ClusterNode(1).networkNamespace, this.#socket(), from, target))
  }

  /** Starts `trow serve` on the address of the first node. Clients without TLS need `--plain-http`. */
  async serve(options: Omit<ServerOptions, 'address' | 'within'>): Promise<ServerProcess> {
    const node = new ClusterNode(1)
    const within = ['nsenter', `--net=${node.networkNamespace}`]
    return startedServer({ ...options, address: node.address, within })
  }

  /** Leaves the cluster of the run, or stops the cluster of the test file. */
  async close(): Promise<void> {
    for (const relay of this.#relays) await relay.close()
    this.#relays.clear()
    if (this.#end === undefined) return
    this.#end()
    // This process has started the servers, and must wait for their end.
    await sleep(200)
  }

  async #startControlPlane(): Promise<void> {
    const node = new ClusterNode(1)
    await this.#startNode(node, [])
    await this.#controlPlane.makeCredentials()
    this.#controlPlane.startEtcd()
    this.#controlPlane.startApiServer()
    await this.#apiAnswers()
    const configuration = 'extension-apiserver-authentication'
    await eventually(() => this.kubectl(['-n', 'kube-system', 'get', 'configmap', configuration]))
    this.#controlPlane.startControllers()
  }

  async #startNode(node: ClusterNode, others: readonly ClusterNode[]): Promise<void> {
    await node.makeNamespaces(others)
    await startContainerd(node)
  }

  async #join(node: ClusterNode, more: readonly string[] = []): Promise<void> {
    await startKubelet(node, this.#authority, more)
    await eventually(() => this.kubectl(['get', 'node', node.name]))
    await this.kubectl(['wait', '--for=condition=Ready', `node/${node.name}`, '--timeout=60s'])
  }

  async #apiAnswers(): Promise<void> {
    await eventually(() => this.kubectl(['get', '--raw', '/readyz', '--request-timeout=5s']))
  }

  /** Waits for the default service account: until then the API server refuses pods of the namespace. */
  async #accountOf(namespace: string): Promise<void> {
    await eventually(() => this.kubectl(['-n', namespace, 'get', 'serviceaccount', 'default']))
  }

  #writeKubeconfig(user: Parameters<typeof writeKubeconfig>[1]['user'], server?: string): string {
    const path = kubeconfigPath(randomUUID())
    const usual = `https://${apiAddress.host}:${apiAddress.port}`
    writeKubeconfig(path, { server: server ?? usual, caFile: this.caFile, user })
    return path
  }

  #socket(): string {
    return join(subfolder('relays'), randomUUID())
  }

  #keep(relay: Relay): Relay {
    const close = async (): Promise<void> => {
      if (this.#relays.delete(kept)) await relay.close()
    }
    const kept = { port: relay.port, close }
    this.#relays.add(kept)
    return kept
  }
}

/** Removes the cluster when this process ends or gets a signal. The returned function removes it at once. */
function endWithProcess(): () => void {
  const stop = (signal: NodeJS.Signals): never => process.exit(signal === 'SIGINT' ? 130 : 143)
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.prependListener(signal, stop)
  process.once('exit', removeCluster)
  return () => {
    for (const signal of signals) process.off(signal, stop)
    process.off('exit', removeCluster)
    removeCluster()
  }
}

function lastLines(): string {
  return readdirSync(clusterFolder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /^n\d+\/[\w-]+\.log$/.test(path))
    .map((path) => `${path}:\n${readFileSync(join(clusterFolder, path), 'utf8').slice(-1500)}`)
    .join('\n')
}
