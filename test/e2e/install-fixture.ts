import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openCri } from '../../src/agent/cri.ts'
import { certificatesInPem } from '../../src/pem-bundle.ts'
import { Cluster } from './cluster.ts'
import { installerKubeconfig, runInCluster, type CommandResult } from './command-line.ts'
import { busyboxImage, writeImageArchive, type Image } from './image.ts'
import type { ClusterNode } from './node.ts'
import { cgroupPattern } from './place.ts'
import { eventually } from '../support/program.ts'
import { importTrowImage } from './trow-image.ts'

const kinds = [
  'namespace,serviceaccount,service,configmap,secret,statefulset,daemonset,pod,poddisruptionbudget,networkpolicy',
  'role,rolebinding,clusterrole,clusterrolebinding,persistentvolume,persistentvolumeclaim,resourcequota',
].join()

export interface Pulls {
  readonly count: number
  /** Milliseconds that the slowest took. */
  readonly longest: number
  readonly failures: readonly string[]
}

/** What `pullWhile` pulls. */
export const reference = 'trow.trow.svc/default/loop:1'

/** trow on the cluster as a person uses it, from the command line. */
export class InstallFixture {
  readonly cluster: Cluster
  /** Home folder of the commands. */
  readonly folder: string
  /** Of node n1: where the images are. */
  readonly data: string
  readonly kubeconfig: string
  readonly image: string

  private constructor(parts: Pick<InstallFixture, 'cluster' | 'folder' | 'data' | 'kubeconfig' | 'image'>) {
    this.cluster = parts.cluster
    this.folder = parts.folder
    this.data = parts.data
    this.kubeconfig = parts.kubeconfig
    this.image = parts.image
  }

  /** A cluster without trow. */
  static async open(name: string): Promise<InstallFixture> {
    const cluster = await Cluster.open()
    const fixture = new InstallFixture({
      cluster,
      folder: mkdtempSync(join(tmpdir(), `trow-${name}-`)),
      data: `/var/tmp/trow-${name}-${process.pid}`,
      kubeconfig: await installerKubeconfig(cluster),
      image: await importTrowImage(cluster.nodes),
    })
    await fixture.trow('uninstall', '--purge', '-y')
    // Tests before may have asked for their end and not have waited for it.
    await cluster.kubectl(['wait', '--for=delete', 'namespace/trow', 'namespace/trow-node', '--timeout=120s'])
    return fixture
  }

  /** A cluster with trow, and with the image that `pullWhile` pulls. */
  static async start(name: string): Promise<InstallFixture> {
    const fixture = await InstallFixture.open(name)
    await fixture.setUp()
    return fixture
  }

  /** Installs trow, and pushes the image that `pullWhile` pulls. */
  async setUp(): Promise<void> {
    const { code, stderr } = await this.install()
    assert.equal(code, 0, stderr)
    await this.pushLoop()
  }

  /** The image that `pullWhile` pulls. */
  async pushLoop(): Promise<void> {
    await this.push({ ...busyboxImage(), name: 'loop' }, 'default/loop:1')
  }

  async close(): Promise<void> {
    await this.trow('uninstall', '--purge', '-y')
    rmSync(this.folder, { recursive: true })
    rmSync(this.data, { recursive: true, force: true })
    await this.cluster.close()
  }

  trow(...args: readonly string[]): Promise<CommandResult> {
    return runInCluster([...args, '--kubeconfig', this.kubeconfig], this.folder)
  }

  install(...args: readonly string[]): Promise<CommandResult> {
    return this.trow('install', '-y', ...this.installOptions(), ...args)
  }

  installOptions(): string[] {
    return ['--image', this.image, '--storage', `local:${this.data}`, '--timeout', '4m']
  }

  async push(image: Image, target: string): Promise<void> {
    const { code, stderr } = await this.trow('push', await this.archive(image), target)
    assert.equal(code, 0, stderr)
  }

  /** The path of one that `trow push` takes. */
  async archive(image: Image): Promise<string> {
    const path = join(this.folder, `${image.name}.tar`)
    await writeImageArchive(path, image)
    return path
  }

  /** What `trow status` prints until all is well. */
  async healthy(): Promise<void> {
    const { code, stdout } = await this.trow('status', '--wait', '--timeout', '2m', '-o', 'short')
    assert.equal(code, 0, stdout)
  }

  /** Asks for the status until it says what is expected, with exit code 79 unless told; returns what it printed. */
  async statusSays(pattern: RegExp, { code = 79, timeout = 60_000 } = {}): Promise<string> {
    return eventually(async () => {
      const status = await this.trow('status', '-o', 'short')
      assert.match(status.stdout, pattern)
      assert.equal(status.code, code)
      return status.stdout
    }, timeout)
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return this.cluster.kubectl(args)
  }

  /** JSON merge patch. */
  async patch(namespace: string, kind: string, name: string, patch: object): Promise<void> {
    await this.kubectl('-n', namespace, 'patch', kind, name, '--type=merge', '-p', JSON.stringify(patch))
  }

  /**
   * Every object of trow, with its resource version, but those that are written by what runs: nodes report, holders of
   * leases renew them, and the registry keeps the heads of its audit.
   */
  async versions(): Promise<Record<string, string>> {
    const selector = 'app.kubernetes.io/part-of=trow,!trow.io/report'
    const { items } = JSON.parse(await this.kubectl('get', kinds, '-A', '-l', selector, '-o', 'json')) as {
      items: { kind: string; metadata: { name: string; namespace?: string; resourceVersion: string } }[]
    }
    return Object.fromEntries(
      items
        .filter(({ kind, metadata }) => !(kind === 'ConfigMap' && metadata.name === 'trow-audit'))
        .map(({ kind, metadata }) => [
          `${kind} ${metadata.namespace ?? ''}/${metadata.name}`,
          metadata.resourceVersion,
        ]),
    )
  }

  /** A pod of an image that its node must ask the registry for, unless the policy says otherwise. */
  async createPod(
    name: string,
    node: string,
    image: string,
    { namespace = 'default', imagePullPolicy = 'Always' } = {},
  ): Promise<void> {
    const spec = {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'app', image, imagePullPolicy }],
    }
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec }
    await this.cluster.kubectl(['-n', namespace, 'create', '-f', '-'], { stdin: JSON.stringify(pod) })
  }

  async podRuns(name: string, namespace = 'default'): Promise<void> {
    await this.kubectl('-n', namespace, 'wait', '--for=condition=Ready', `pod/${name}`, '--timeout=120s')
  }

  async removePods(...names: readonly string[]): Promise<void> {
    await this.kubectl('delete', 'pod', ...names, '--ignore-not-found', '--force')
  }

  /** How many CAs clients are told to trust. */
  async authorities(): Promise<number> {
    return certificatesInPem((await this.trow('ca', 'show')).stdout).length
  }

  /** A new agent looks at the node at once. */
  async restartAgent(node: ClusterNode): Promise<void> {
    const field = `--field-selector=spec.nodeName=${node.name}`
    await this.kubectl(
      '-n',
      'trow-node',
      'delete',
      'pod',
      '-l',
      'app.kubernetes.io/component=node',
      field,
      '--grace-period=1',
    )
  }

  /** As the kubelet pulls, again and again, on every one of the nodes. */
  async pullWhile(nodes: readonly ClusterNode[], work: () => Promise<void>): Promise<Pulls> {
    const failures: string[] = []
    let [count, longest, done] = [0, 0, false]
    const loop = async (node: ClusterNode): Promise<void> => {
      const cri = await openCri(node.outside('/run/containerd/containerd.sock'))
      while (!done) {
        await cri.removeImage(reference)
        const begin = performance.now()
        try {
          // The kubelet gives a pull all the time it takes.
          await cri.pullImage(reference, 120_000)
        } catch (error) {
          failures.push(`${node.name}: ${(error as Error).message}`)
        }
        longest = Math.max(longest, performance.now() - begin)
        count++
        await sleep(200)
      }
      cri.close()
    }
    const loops = nodes.map(loop)
    try {
      await work()
    } finally {
      done = true
      await Promise.all(loops)
    }
    return { count, longest, failures }
  }

  /** Pulls once, anew. */
  async pull(node: ClusterNode): Promise<void> {
    const { failures } = await this.pullWhile([node], () => Promise.resolve())
    assert.deepEqual(failures, [])
  }
}

/** Ids of a node's processes in pods whose command line has the word. */
export function podProcesses(node: ClusterNode, word: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0)
    .filter((pid) => {
      try {
        const own = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
        if (!cgroupPattern.test(own) || !own.includes(`/${node.namespace}/`)) return false
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(word)
      } catch {
        return false
      }
    })
}
