import { eventually } from '../support/program.ts'
import type { Cluster } from './cluster.ts'
import { restartKubelet, startKubeProxy } from './node-servers.ts'

interface NodeObject {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly spec: { readonly taints?: readonly { readonly key: string }[] }
}

/** What the objects of a cluster's nodes have beside what kubelets write, so that later suites find them as they were. */
export class NodesOfBefore {
  readonly #cluster: Cluster
  readonly #nodes: readonly NodeObject[]

  private constructor(cluster: Cluster, nodes: readonly NodeObject[]) {
    this.#cluster = cluster
    this.#nodes = nodes
  }

  static async of(cluster: Cluster): Promise<NodesOfBefore> {
    const { items } = JSON.parse(await cluster.kubectl(['get', 'nodes', '-o', 'json'])) as {
      items: readonly NodeObject[]
    }
    return new NodesOfBefore(cluster, items)
  }

  /** Deletes the objects, which takes every pod away, and has the kubelets make them again. */
  async makeAnew(): Promise<void> {
    const names = this.#nodes.map(({ metadata }) => metadata.name)
    await this.#cluster.kubectl(['delete', 'node', ...names])
    for (const node of this.#cluster.nodes) {
      // A kubelet registers its node when it starts. kube-proxy ends when its node is deleted.
      await restartKubelet(node)
      await startKubeProxy(node)
    }
    await eventually(() => this.#cluster.kubectl(['get', 'node', ...names]), 60_000)
    const made = names.map((name) => `node/${name}`)
    await this.#cluster.kubectl(['wait', '--for=condition=Ready', ...made, '--timeout=180s'])
  }

  /** Labels and taints are again what they were. */
  async areAsBefore(): Promise<void> {
    for (const { metadata, spec } of this.#nodes) {
      // Those of the node controller come and go by themselves.
      const taints = (spec.taints ?? []).filter(({ key }) => !key.startsWith('node.kubernetes.io/'))
      const patch = { metadata: { labels: metadata.labels ?? {} }, spec: { taints } }
      const flags = ['--type=merge', '-p', JSON.stringify(patch)]
      await this.#cluster.kubectl(['patch', 'node', metadata.name, ...flags])
    }
  }
}
