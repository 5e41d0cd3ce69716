import { z } from 'zod'
import type { ClusterObjects, KubeReference } from '../cluster/cluster-objects.ts'
import { labels, names } from '../cluster/layout.ts'
import { readNodeReport, type NodeReport } from '../cluster/node-report.ts'
import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import { isRegistryHost } from '../registry-host.ts'
import { Alarm } from './alarm.ts'

export interface ReporterOptions {
  readonly objects: ClusterObjects
  readonly namespace: string
  readonly node: string
  readonly now: () => number
  readonly random: () => number
  readonly log: Log
  /** For which something of this installation's may stand on the node. */
  readonly hosts: () => readonly string[]
  /** Milliseconds between two reports of the same; 30 000 when not given. */
  readonly heartbeat?: number
}

type Findings = Omit<NodeReport, 'time'>

/** Keeps ConfigMap `node-<name>` as it is: at once when something changes, else as a heartbeat. */
export class NodeReporter {
  readonly #options: ReporterOptions
  readonly #alarm = new Alarm()
  #findings: Findings | undefined
  #written: string | undefined
  /** Of the agent before this one, until there is one of ours. */
  #before: string | undefined
  #recorded: readonly string[] = []
  #owner: string | undefined
  #reachable = true

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  /** What is to be reported from now on. */
  report(findings: Findings): void {
    this.#findings = findings
    if (this.#isNews()) this.#alarm.ring()
  }

  /** For which hosts the agent before this one may have written. Rejects with ClusterFault. */
  async recall(): Promise<readonly string[]> {
    const map = await this.#options.objects.get(this.#reference)
    const { 'report.json': report, 'hosts.json': hosts } = (map?.['data'] ?? {}) as Record<string, string>
    this.#before = report
    const reported = (map === undefined ? undefined : readNodeReport(map))?.hosts ?? []
    // Whoever wrote it: for what is no host nothing was written.
    this.#recorded = [...new Set([...hostsIn(hosts), ...reported])].filter(isRegistryHost)
    return this.#recorded
  }

  /**
   * Writes the hosts down before anything is written on the node for them: the agent after one that is killed in between
   * must know them, whatever it is told by then.
   */
  async announce(): Promise<void> {
    if (this.#options.hosts().every((host) => this.#recorded.includes(host))) return
    try {
      await this.#apply(this.#before)
    } catch (error) {
      this.#options.log.warn('hosts cannot be written down', { error: reasonOf(error) })
    }
  }

  /** Of the Node object: the report goes with it. */
  setOwner(uid: string | undefined): void {
    this.#owner = uid
  }

  /** Until the signal ends it. */
  async run(signal: AbortSignal): Promise<void> {
    const { heartbeat = 30_000, random } = this.#options
    while (!signal.aborted) {
      const written = this.#findings === undefined || (await this.#write(this.#findings))
      // What came while the last was being written follows at once.
      if (written && this.#isNews()) continue
      await this.#alarm.wait((written ? heartbeat : heartbeat / 6) * (0.9 + random() / 5), signal)
    }
  }

  async #write(findings: Findings): Promise<boolean> {
    const { now, log } = this.#options
    const report: NodeReport = { ...findings, time: new Date(now()).toISOString() }
    try {
      this.#before = JSON.stringify(report)
      await this.#apply(this.#before)
      this.#written = JSON.stringify(findings)
      if (!this.#reachable) log.info('reports are written again')
      this.#reachable = true
      return true
    } catch (error) {
      if (this.#reachable) log.warn('the report cannot be written; tried again', { error: reasonOf(error) })
      this.#reachable = false
      return false
    }
  }

  async #apply(report: string | undefined): Promise<void> {
    const { objects, node, hosts } = this.#options
    const { apiVersion, kind, name, namespace } = this.#reference
    const owner = { apiVersion: 'v1', kind: 'Node', name: node, uid: this.#owner }
    const recorded = hosts()
    await objects.apply(
      {
        apiVersion,
        kind,
        metadata: {
          name,
          namespace,
          labels: { ...labels.of('node'), [labels.report]: 'node' },
          ...(this.#owner === undefined ? {} : { ownerReferences: [owner] }),
        },
        data: {
          'hosts.json': JSON.stringify(recorded),
          ...(report === undefined ? {} : { 'report.json': report }),
        },
      },
      { force: true },
    )
    this.#recorded = recorded
  }

  get #reference(): KubeReference & { readonly namespace: string } {
    const { namespace, node } = this.#options
    return { apiVersion: 'v1', kind: 'ConfigMap', name: names.report(node), namespace }
  }

  #isNews(): boolean {
    return this.#findings !== undefined && JSON.stringify(this.#findings) !== this.#written
  }
}

function hostsIn(text: string | undefined): readonly string[] {
  try {
    return z
      .array(z.string())
      .max(256)
      .parse(JSON.parse(text ?? '[]'))
  } catch {
    return []
  }
}
