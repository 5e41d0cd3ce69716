import type { ClusterObjects, KubeReference } from '../cluster/cluster-objects.ts'
import { labels, names } from '../cluster/layout.ts'
import { tryForeignJson } from '../foreign-json.ts'
import { runningFindingsSchema, type RunningFindings } from './running-findings.ts'

/** Bytes of all findings as they are kept: a ConfigMap may have 1 MiB, and every reader of them is sent it whole. */
const largest = 190_000
const key = 'findings.json'
/** Milliseconds: findings that have not changed are written again, so that a reader sees that somebody scans. */
const longestSilence = 600_000

/** Keeps the findings in the cluster, so that commands read them without asking the pod that scans. */
export class RunningMap {
  readonly #objects: Pick<ClusterObjects, 'get' | 'patch' | 'apply'>
  readonly #reference: KubeReference
  #written: { readonly text: string; readonly at: number } | undefined

  /** `namespace`: of trow. */
  constructor(objects: Pick<ClusterObjects, 'get' | 'patch' | 'apply'>, namespace: string) {
    this.#objects = objects
    this.#reference = { apiVersion: 'v1', kind: 'ConfigMap', name: names.running, namespace }
  }

  /** Writes what is not written already. `now`: milliseconds, of any clock. Rejects with ClusterFault. */
  async write(findings: RunningFindings, now: number): Promise<void> {
    const bounded = boundedFindings(findings)
    const text = JSON.stringify({ ...bounded, at: '', seconds: 0 })
    const written = this.#written
    if (written?.text === text && now - written.at < longestSilence) return
    const data = { [key]: JSON.stringify(bounded) }
    const { apiVersion, kind, name } = this.#reference
    if ((await this.#objects.patch(this.#reference, { data })) === undefined) {
      const metadata = { name, namespace: this.#reference.namespace ?? '', labels: labels.of('admission') }
      await this.#objects.apply({ apiVersion, kind, metadata, data })
    }
    this.#written = { text, at: now }
  }

  /** Undefined: nothing has been scanned, or by a trow that wrote another form. Rejects with ClusterFault. */
  async read(): Promise<RunningFindings | undefined> {
    const map = await this.#objects.get(this.#reference)
    const data = map?.['data']
    const text: unknown = typeof data === 'object' && data !== null && key in data ? data[key] : undefined
    return typeof text === 'string' ? tryForeignJson(text, runningFindingsSchema) : undefined
  }
}

/** The findings without those for which there is no room; `leftOut` counts them. */
function boundedFindings(whole: RunningFindings): RunningFindings {
  let room = largest - bytesOf({ ...whole, findings: [] })
  // One more for the comma.
  const kept = whole.findings.findIndex((finding) => (room -= bytesOf(finding) + 1) < 0)
  if (kept < 0) return whole
  const leftOut = { ...whole.leftOut, findings: whole.leftOut.findings + whole.findings.length - kept }
  return { ...whole, findings: whole.findings.slice(0, kept), leftOut }
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}
