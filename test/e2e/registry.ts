import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hash } from '@node-rs/bcrypt'
import { stringify } from 'yaml'
import { basic } from '../support/ways.ts'
import { startedServer, type ServerProcess } from '../support/server-process.ts'
import { apiAddress } from './control-plane.ts'
import { templates, tokenOf } from './cluster-access.ts'
import type { Cluster } from './cluster.ts'
import { RegistryClient, type PresentedCredentials } from './registry-client.ts'

export interface ServiceAccount {
  readonly namespace: string
  readonly name: string
}

export interface AnotherServer {
  readonly client: RegistryClient
  output(): string
  stop(): Promise<void>
}

/** A real `trow serve` with the service account trow/trow of a real cluster, and the namespaces of a test file. */
export class ClusterRegistry {
  readonly cluster: Cluster
  readonly server: ServerProcess
  /** An administrator of everything by password: `keeper`. */
  readonly keeper: RegistryClient
  readonly keeperAuthorization = basic('keeper', 'keeper-pw')
  readonly #folder: string
  readonly #namespaces: readonly string[]
  readonly #clients: RegistryClient[] = []

  private constructor(parts: {
    cluster: Cluster
    server: ServerProcess
    folder: string
    namespaces: readonly string[]
  }) {
    this.cluster = parts.cluster
    this.server = parts.server
    this.#folder = parts.folder
    this.#namespaces = parts.namespaces
    this.keeper = this.client({ authorization: this.keeperAuthorization })
  }

  static async start(
    cluster: Cluster,
    { namespaces, args = [] }: { readonly namespaces: readonly string[]; readonly args?: readonly string[] },
  ): Promise<ClusterRegistry> {
    const all = ['trow', 'trow-node', ...namespaces]
    for (const namespace of all) await cluster.emptyNamespace(namespace)
    for (const namespace of ['trow', 'trow-node'])
      await cluster.kubectl(['-n', namespace, 'create', 'serviceaccount', namespace])
    await cluster.kubectl(['apply', ...templates.flatMap((file) => ['-f', file])])
    const folder = mkdtempSync(join(tmpdir(), 'trow-cluster-registry-'))
    const kubeconfig = cluster.tokenKubeconfig(
      await tokenOf(cluster, 'trow', '-n', 'trow'),
      `https://127.0.0.1:${(await cluster.relay()).port}`,
    )
    const htpasswd = join(folder, 'htpasswd')
    writeFileSync(htpasswd, `keeper:${await hash('keeper-pw', 4)}\n`)
    const access = [{ who: ['keeper'], repositories: ['**'], actions: ['pull', 'list', 'push', 'delete'] }]
    writeFileSync(
      join(folder, 'trow.yaml'),
      stringify({ kubernetes: true, kubeconfig, htpasswd, access, 'tls-san': [apiAddress.host] }),
    )
    const server = await startServer(folder, args)
    return new ClusterRegistry({ cluster, server, folder, namespaces: all })
  }

  /** The CA of the registry's certificate. */
  get caFile(): string {
    return join(this.#folder, 'data', 'tls', 'ca.crt')
  }

  /** Starts a second server for the same cluster, with other settings. The caller ends it. */
  async another(args: readonly string[]): Promise<AnotherServer> {
    const server = await startServer(this.#folder, args, 'other')
    const ca = readFileSync(join(this.#folder, 'other', 'tls', 'ca.crt'), 'utf8')
    const client = new RegistryClient(server.url, ca)
    return {
      client,
      output: server.output,
      stop: async () => {
        await client.close()
        await server.stop()
      },
    }
  }

  /** Makes a client of the registry. It is closed with the registry. */
  client(presented: PresentedCredentials = {}): RegistryClient {
    const client = new RegistryClient(this.server.url, readFileSync(this.caFile, 'utf8'), presented)
    this.#clients.push(client)
    return client
  }

  async serviceAccount(namespace: string, name: string): Promise<ServiceAccount> {
    await this.cluster.kubectl(['-n', namespace, 'create', 'serviceaccount', name])
    return { namespace, name }
  }

  /** Resolves to a token of a service account for the registry. */
  token({ namespace, name }: ServiceAccount, ...options: readonly string[]): Promise<string> {
    return tokenOf(this.cluster, name, '-n', namespace, '--audience=trow', ...options)
  }

  /** `subjects` as kubectl wants them: `--user=…`, `--group=…`, `--serviceaccount=NAMESPACE:NAME`. */
  async bind(namespace: string, role: string, ...subjects: readonly string[]): Promise<void> {
    const name = `${role}-${subjects.join('-').replaceAll(/[^a-z0-9]+/g, '-')}`.slice(0, 200)
    const clusterRole = `--clusterrole=trow-${role}`
    await this.cluster.kubectl(['-n', namespace, 'create', 'rolebinding', name, clusterRole, ...subjects])
  }

  async close(): Promise<void> {
    for (const client of this.#clients) await client.close()
    await this.server.stop()
    const files = templates.flatMap((file) => ['-f', file])
    await this.cluster.kubectl(['delete', '--ignore-not-found', ...files])
    await this.cluster.kubectl(['delete', 'namespace', ...this.#namespaces, '--wait=false'])
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** A pod that its own node runs, or only names. */
export function podOf({ namespace, name }: ServiceAccount, pod: string, node?: string): object {
  const containers = [{ name: 'main', image: 'trow.test/busybox:1' }]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod, namespace },
    spec: {
      serviceAccountName: name,
      terminationGracePeriodSeconds: 0,
      containers,
      ...(node === undefined ? {} : { nodeName: node }),
    },
  }
}

function startServer(folder: string, args: readonly string[], data = 'data'): Promise<ServerProcess> {
  return startedServer({
    data: join(folder, data),
    args: ['--config', join(folder, 'trow.yaml'), '--tls-auto', ...args],
  })
}
