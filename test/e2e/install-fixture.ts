import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
import { binary } from '../support/cluster-binaries.ts'
import { eventually, runProgram } from '../support/program.ts'
import { importTrowImage } from './trow-image.ts'

const kinds = [
  'namespace,serviceaccount,service,configmap,secret,statefulset,daemonset,pod,poddisruptionbudget,networkpolicy',
  'role,rolebinding,clusterrole,clusterrolebinding,persistentvolume,persistentvolumeclaim,resourcequota',
].join()

/** ConfigMaps that pods write. */
const written: readonly string[] = ['trow-audit', 'trow-running']

export interface Pulls {
  readonly count: number
  /** Milliseconds that the slowest took. */
  readonly longest: number
  readonly failures: readonly string[]
}

/** What `pullWhile` pulls. */
export const reference = 'trow.trow.svc/default/loop:1'

/** trow in the cluster, used from the command line. */
export class InstallFixture {
  readonly cluster: Cluster
  /** Home folder of the commands. */
  readonly folder: string
  /** Folder of node n1 with the data of the registry. */
  readonly data: string
  readonly kubeconfig: string
  readonly image: string
  readonly #admission: boolean

  private constructor(
    parts: Pick<InstallFixture, 'cluster' | 'folder' | 'data' | 'kubeconfig' | 'image'>,
    admission: boolean,
  ) {
    this.#admission = admission
    this.cluster = parts.cluster
    this.folder = parts.folder
    this.data = parts.data
    this.kubeconfig = parts.kubeconfig
    this.image = parts.image
  }

  /** Opens a cluster without trow. `admission`: whether its installs bring the admission pods, which takes seconds each time. */
  static async open(name: string, { admission = false } = {}): Promise<InstallFixture> {
    const cluster = await Cluster.open()
    const fixture = new InstallFixture(
      {
        cluster,
        folder: mkdtempSync(join(tmpdir(), `trow-${name}-`)),
        data: `/var/tmp/trow-${name}-${process.pid}`,
        kubeconfig: await installerKubeconfig(cluster),
        image: await importTrowImage(cluster.nodes),
      },
      admission,
    )
    await fixture.trow('uninstall', '--purge', '-y')
    // Earlier tests may not have waited for the deletion.
    await cluster.kubectl(['wait', '--for=delete', 'namespace/trow', 'namespace/trow-node', '--timeout=120s'])
    return fixture
  }

  /** Opens a cluster with trow and the image that `pullWhile` pulls. */
  static async start(name: string, options: { readonly admission?: boolean } = {}): Promise<InstallFixture> {
    const fixture = await InstallFixture.open(name, options)
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
    const pods = this.#admission ? [] : ['--admission', 'off']
    return ['--image', this.image, '--storage', `local:${this.data}`, '--timeout', '4m', ...pods]
  }

  /** Runs a line of the documentation in a shell. */
  async inShell(line: string): Promise<void> {
    const script = `#!/bin/sh\nexec ${binary('kubectl')} --kubeconfig ${this.kubeconfig} "$@"\n`
    writeFileSync(join(this.folder, 'kubectl'), script, { mode: 0o755 })
    await runProgram('sh', ['-ec', line], { env: { PATH: `${this.folder}:${process.env['PATH']}` } })
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

  /** Waits until `trow status` reports no problem. Resolves to its output. */
  async healthy(): Promise<void> {
    const { code, stdout } = await this.trow('status', '--wait', '--timeout', '2m', '-o', 'short')
    assert.equal(code, 0, stdout)
  }

  /** Repeats `trow status` until its output matches, with exit code 79 by default. Resolves to the output. */
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
   * Returns every object of trow with its resource version, without those that running parts of trow write: reports of
   * nodes, leases, heads of the audit, findings of the scan. First waits until replaced pods have gone, which answer for some
   * seconds more.
   */
  async versions(): Promise<Record<string, string>> {
    await eventually(async () => {
      const ends = 'jsonpath={.items[*].metadata.deletionTimestamp}'
      assert.equal((await this.kubectl('-n', 'trow', 'get', 'pods', '-o', ends)).trim(), '')
    })
    const selector = 'app.kubernetes.io/part-of=trow,!trow.io/report'
    const { items } = JSON.parse(await this.kubectl('get', kinds, '-A', '-l', selector, '-o', 'json')) as {
      items: { kind: string; metadata: { name: string; namespace?: string; resourceVersion: string } }[]
    }
    return Object.fromEntries(
      items
        .filter(({ kind, metadata }) => kind !== 'ConfigMap' || !written.includes(metadata.name))
        .map(({ kind, metadata }) => [
          `${kind} ${metadata.namespace ?? ''}/${metadata.name}`,
          metadata.resourceVersion,
        ]),
    )
  }

  /** Makes a pod whose image its node must request from the registry, unless the pull policy says otherwise. */
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

  /** Resolves to the number of CAs that clients trust. */
  async authorities(): Promise<number> {
    return certificatesInPem((await this.trow('ca', 'show')).stdout).length
  }

  /** Replaces the agent, because a new agent checks its node at once. */
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

  /** Pulls through CRI, as the kubelet does, repeatedly and on every node. */
  async pullWhile(nodes: readonly ClusterNode[], work: () => Promise<void>): Promise<Pulls> {
    const failures: string[] = []
    let [count, longest, done] = [0, 0, false]
    const loop = async (node: ClusterNode): Promise<void> => {
      const cri = await openCri(node.outside('/run/containerd/containerd.sock'))
      while (!done) {
        await cri.removeImage(reference)
        const begin = performance.now()
        try {
          // The kubelet has no time limit for a pull.
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
