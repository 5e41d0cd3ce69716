import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { NodeAgent } from '../../src/agent/node-agent.ts'
import { layoutOf } from '../../src/cluster/layout.ts'
import type { NodeAgentOptions } from '../../src/agent/node-agent-options.ts'
import type { Machine } from '../../src/agent/machine.ts'
import type { AgentPace } from '../../src/agent/agent-pace.ts'
import type { NodeReport } from '../../src/cluster/node-report.ts'
import { nodeReportSchema } from '../../src/cluster/node-report.ts'
import type { NodeSettings } from '../../src/cluster/node-settings.ts'
import { inspectMachine } from '../../src/trust/inspect-machine.ts'
import { provideTokens } from '../../src/trust/kubelet/provide-tokens.ts'
import { withdrawTokens } from '../../src/trust/kubelet/withdraw-tokens.ts'
import { trustMachine } from '../../src/trust/trust-machine.ts'
import { untrustMachine } from '../../src/trust/untrust-machine.ts'
import { eventually } from '../support/program.ts'
import { MachineTree, type Tree } from '../trust/machine-tree.ts'
import type { FakeObjects } from './fake-objects.ts'
import { FakeRuntime } from './fake-runtime.ts'

const layout = layoutOf('trow')
const namespace = layout.nodeNamespace
/** The ConfigMap with the desired state of the nodes. */
export const desiredStateName = { name: 'trow-orders', namespace: layout.namespace }
export const hostsFile = '/etc/containerd/certs.d/trow.trow.svc/hosts.toml'
const configured =
  'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n'
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** A node with its files in a folder, a fake runtime, and the real agent. */
export class AgentNode {
  readonly name: string
  readonly tree: MachineTree
  readonly runtime: FakeRuntime
  readonly restarts: string[] = []
  readonly #objects: FakeObjects
  #stop: AbortController | undefined
  #running: Promise<void> | undefined

  private constructor(name: string, tree: MachineTree, runtime: FakeRuntime, objects: FakeObjects) {
    this.name = name
    this.tree = tree
    this.runtime = runtime
    this.#objects = objects
  }

  static async make(objects: FakeObjects, files: Tree = {}, name = 'n1'): Promise<AgentNode> {
    const tree = new MachineTree({
      '/etc/containerd/config.toml': configured,
      '/etc/kubernetes/kubelet.conf': '',
      ...files,
    })
    const runtime = await FakeRuntime.listen(join(tree.root, 'run/containerd/containerd.sock'))
    objects.put({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, uid: `uid-${name}` },
      status: {
        nodeInfo: {
          kubeletVersion: 'v1.37.2',
          containerRuntimeVersion: 'containerd://1.7.24',
          osImage: 'Debian GNU/Linux 12 (bookworm)',
        },
        addresses: [{ type: 'InternalIP', address: '192.0.2.11' }],
      },
    })
    return new AgentNode(name, tree, runtime, objects)
  }

  start({ pace, ...options }: Partial<NodeAgentOptions> & { readonly pace?: Partial<AgentPace> } = {}): void {
    const agent = new NodeAgent({
      node: this.name,
      hostRoot: this.tree.root,
      layout,
      imageHosts: ['trow.trow.svc', 'registry.example.com', 'a.example.com', 'b.example.com'],
      version: '0.0.0',
      objects: this.#objects,
      machine: this.machine(),
      token: async () => 'a.token.of-the-agent',
      certify: async () => Promise.reject(new Error('nobody certifies here')),
      crypto: crypto as Crypto,
      now: () => Date.now(),
      random: () => 0.5,
      log: quiet,
      pace: { assert: 60_000, look: 60_000, heartbeat: 60_000, patience: 2000, grace: 0, retry: 50, ...pace },
      ...options,
    })
    this.#stop = new AbortController()
    this.#running = agent.run(this.#stop.signal)
  }

  /** The node's files, really read and written, except by the methods in `instead`. */
  machine(instead: Partial<Machine> = {}): Machine {
    return {
      inspect: inspectMachine,
      trust: async (machine, ...rest) =>
        trustMachine({ ...machine, restart: async (unit) => this.#restart(unit) }, ...rest),
      untrust: untrustMachine,
      provide: provideTokens,
      withdraw: withdrawTokens,
      ...instead,
    }
  }

  async stop(): Promise<void> {
    this.#stop?.abort()
    await this.#running
  }

  report(): NodeReport {
    const found = this.#objects.peek({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      namespace,
      name: `node-${this.name}`,
    })
    const data = (found?.['data'] ?? {}) as Readonly<Record<string, string>>
    return nodeReportSchema.parse(JSON.parse(data['report.json'] ?? 'null'))
  }

  async reported(holds: (report: NodeReport) => boolean): Promise<NodeReport> {
    return eventually(async () => {
      const report = this.report()
      if (holds(report)) return report
      throw new Error(JSON.stringify(report, undefined, 1))
    }, 30_000)
  }

  async close(): Promise<void> {
    await this.stop()
    this.runtime.close()
    rmSync(this.tree.root, { recursive: true, force: true })
  }

  async #restart(unit: string): Promise<undefined> {
    this.restarts.push(unit)
  }
}

/** Sets the desired state of the nodes, as an administrator does. */
export function putDesiredState(objects: FakeObjects, ca: string, changes: Partial<NodeSettings> = {}): void {
  const settings: NodeSettings = {
    version: 1,
    mode: 'trust',
    generation: 1,
    hosts: ['trow.trow.svc'],
    registry: { namespace: 'trow', service: 'trow' },
    loopbackPort: 29643,
    clusterIps: ['10.96.7.7'],
    canary: 'trow/canary:1',
    restartRuntime: false,
    issueCertificates: false,
    editHosts: false,
    ...changes,
  }
  objects.put({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: desiredStateName,
    data: { 'settings.json': JSON.stringify(settings), 'ca.crt': ca },
  })
}
