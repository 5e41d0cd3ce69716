import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import { labels, names } from '../cluster/layout.ts'
import { readNodeReport, type NodeReport } from '../cluster/node-report.ts'
import type { Log } from '../log.ts'
import { Alarm } from './alarm.ts'

export interface ReporterOptions {
  readonly objects: ClusterObjects
  readonly namespace: string
  readonly node: string
  readonly now: () => number
  readonly random: () => number
  readonly log: Log
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

  /** What the agent before this one found; undefined where there was none. Rejects with ClusterFault. */
  async last(): Promise<NodeReport | undefined> {
    const { objects, namespace, node } = this.#options
    const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: names.report(node), namespace }
    return readNodeReport(await objects.get(reference))
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
    const { objects, namespace, node, now, log } = this.#options
    const report: NodeReport = { ...findings, time: new Date(now()).toISOString() }
    const owner = { apiVersion: 'v1', kind: 'Node', name: node, uid: this.#owner }
    try {
      await objects.apply(
        {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: {
            name: names.report(node),
            namespace,
            labels: { ...labels.of('node'), [labels.report]: 'node' },
            ...(this.#owner === undefined ? {} : { ownerReferences: [owner] }),
          },
          data: { 'report.json': JSON.stringify(report) },
        },
        { force: true },
      )
      this.#written = JSON.stringify(findings)
      if (!this.#reachable) log.info('reports are written again')
      this.#reachable = true
      return true
    } catch (error) {
      if (this.#reachable)
        log.warn('the report cannot be written; tried again', { error: (error as Error).message })
      this.#reachable = false
      return false
    }
  }

  #isNews(): boolean {
    return this.#findings !== undefined && JSON.stringify(this.#findings) !== this.#written
  }
}
