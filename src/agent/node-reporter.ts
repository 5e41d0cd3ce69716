import { dataOf } from '../cluster/config-data.ts'
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
  /** Hosts for which files of this installation may be on the node. */
  readonly hosts: () => readonly string[]
  /** Milliseconds between two equal reports; 30 000 when not given. */
  readonly heartbeat?: number
}

type Findings = Omit<NodeReport, 'time'>

/**
 * Keeps ConfigMap `node-<name>` up to date: writes at once when something changes, otherwise as a heartbeat.
 */
export class NodeReporter {
  readonly #options: ReporterOptions
  readonly #alarm = new Alarm()
  #findings: Findings | undefined
  #written: string | undefined
  /** The last report: the previous agent's until this one has written its own. */
  #before: string | undefined
  #recorded: readonly string[] = []
  #owner: string | undefined
  #reachable = true

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  /** Sets the findings to report from now on. */
  report(findings: Findings): void {
    this.#findings = findings
    if (this.#isNews()) this.#alarm.ring()
  }

  /** The hosts for which the previous agent may have written files. Rejects with ClusterFault. */
  async load(): Promise<readonly string[]> {
    const map = await this.#options.objects.get(this.#reference)
    const { 'report.json': report, 'hosts.json': hosts } = dataOf(map)
    this.#before = report
    const reported = (map === undefined ? undefined : readNodeReport(map))?.hosts ?? []
    // The ConfigMap may contain anything, but files are only ever written for valid hosts.
    this.#recorded = [...new Set([...hostsIn(hosts), ...reported])].filter(isRegistryHost)
    return this.#recorded
  }

  /**
   * Records the hosts before files are written for them: if this agent is killed in between, the next one
   * must know them, whatever its desired state is.
   */
  async announce(): Promise<void> {
    if (this.#options.hosts().every((host) => this.#recorded.includes(host))) return
    try {
      await this.#apply(this.#before)
    } catch (error) {
      this.#options.log.warn('hosts cannot be written down', { error: reasonOf(error) })
    }
  }

  /** `uid`: of the Node object, with which the report is deleted. */
  setOwner(uid: string | undefined): void {
    this.#owner = uid
  }

  /** Runs until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { heartbeat = 30_000, random } = this.#options
    while (!signal.aborted) {
      const written = this.#findings === undefined || (await this.#write(this.#findings))
      // Findings that arrived during the write are written at once.
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
