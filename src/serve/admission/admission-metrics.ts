import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { RecordCounts } from '../../admission/record-queue.ts'
import type { PolicyCount } from '../../enforcement/policy-counters.ts'
import { certificateMetrics } from '../metrics/certificate-metrics.ts'
import type { MetricsText } from '../metrics/metrics-text.ts'
import { processMetrics } from '../metrics/process-metrics.ts'
import type { ClusterState } from './cluster-protocol.ts'
import type { FloorStatus } from './floor-status.ts'

export interface AdmissionMeasured {
  readonly decisions: readonly PolicyCount[]
  readonly records: RecordCounts
  /** Bytes of reviews that are held, and reviews that wait for room. */
  readonly room: { readonly held: number; readonly waiting: number }
  readonly generation: number | undefined
  readonly isReady: boolean
  readonly isOpen: boolean
  /** Undefined: the thread that follows the cluster did not answer. */
  readonly cluster: ClusterState | undefined
  readonly restarts: number
  /** PEM, leaf first. Undefined: there is none yet. */
  readonly certificate: string | undefined
}

/** Seconds; the API server's own histogram of webhooks has 0.005 to 10. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/** The metrics of an admission pod. */
export class AdmissionMetrics {
  readonly #registry = new Registry()
  readonly #process: Registry
  readonly #reviews = new Histogram({
    name: 'trow_admission_review_duration_seconds',
    help: 'Time to answer a review, from its head on',
    labelNames: ['path'],
    buckets,
    registers: [this.#registry],
  })

  constructor(version: string) {
    this.#process = processMetrics(version)
  }

  reviewed(path: string, seconds: number): void {
    this.#reviews.observe({ path }, seconds)
  }

  async render(measured: AdmissionMeasured): Promise<MetricsText> {
    const rest = new Registry()
    count(measured, rest)
    gauge(measured, rest)
    certificateMetrics({ default: measured.certificate }, rest)
    const own = await Promise.all([this.#process, this.#registry, rest].map((part) => part.metrics()))
    const text = [...own, measured.cluster?.scan ?? ''].join('\n')
    return { contentType: rest.contentType, text }
  }
}

function count({ decisions, records, restarts }: AdmissionMeasured, registry: Registry): void {
  const counter = (name: string, help: string, labelNames: string[] = []): Counter =>
    new Counter({ name, help, labelNames, registers: [registry] })
  const decided = counter('trow_policy_decisions_total', 'What policies have decided of images', [
    'point',
    'policy',
    'mode',
    'decision',
    'reason',
  ])
  for (const { count: times, ...labels } of decisions) decided.inc(labels, times)
  counter('trow_admission_records_total', 'Decisions that the registry has recorded').inc(records.kept)
  counter('trow_admission_records_lost_total', 'Decisions that will never be recorded').inc(records.lost)
  counter('trow_admission_restarts_total', 'Replacements of the thread that follows the cluster').inc(
    restarts,
  )
}

function gauge(measured: AdmissionMeasured, registry: Registry): void {
  const { records, room, generation, isReady, isOpen, cluster } = measured
  const set = (name: string, help: string, value: number): void =>
    new Gauge({ name, help, registers: [registry] }).set(value)
  set('trow_admission_records_waiting', 'Decisions that wait for the registry', records.waiting)
  set('trow_admission_records_waiting_bytes', 'Bytes of these', records.waitingBytes)
  set('trow_admission_room_bytes', 'Bytes of reviews that are held', room.held)
  set('trow_admission_room_waiting', 'Reviews that wait for room', room.waiting)
  set('trow_admission_ready', '1 while reviews are to be sent here', isReady ? 1 : 0)
  set('trow_admission_break_glass', '1 while break-glass lets in what policies refuse', isOpen ? 1 : 0)
  set('trow_policy_generation', 'Of the policies in force; 0: none were read', generation ?? 0)
  set('trow_process_resident_memory_bytes', 'Memory of the whole process', process.memoryUsage.rss())
  if (cluster === undefined) return
  const { isHolder, lastSync, failurePolicy, floor } = cluster
  set('trow_admission_lease_holder', '1 on the pod that keeps certificate and webhooks', isHolder ? 1 : 0)
  set(
    'trow_policy_last_sync_timestamp_seconds',
    'When the policies of the cluster were heard of last',
    (lastSync ?? 0) / 1000,
  )
  set('trow_admission_fail_closed', '1 where failurePolicy is Fail', failurePolicy === 'Fail' ? 1 : 0)
  if (floor !== undefined) gaugeFloor(floor, set)
}

function gaugeFloor(
  { state, inForce, problems }: FloorStatus,
  set: (name: string, help: string, value: number) => void,
): void {
  set(
    'trow_policy_floor_closed',
    '1 while the floor refuses what policies refuse',
    state === 'closed' ? 1 : 0,
  )
  set('trow_policy_floor_open', '1 while break-glass has opened the floor', state === 'open' ? 1 : 0)
  set('trow_policy_floor_problems', 'Why the floor is not as the policies are', problems.length)
  set(
    'trow_policy_floor_generation',
    'Of the policies that the floor was made of; 0: none',
    inForce?.generation ?? 0,
  )
  set(
    'trow_policy_floor_timestamp_seconds',
    'When the parameters of the floor were written',
    (inForce?.since ?? 0) / 1000,
  )
}
