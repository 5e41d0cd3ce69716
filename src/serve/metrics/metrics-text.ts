import { Counter, Gauge, Registry } from 'prom-client'
import { durationBuckets } from '../../http/request-counters.ts'
import type { AuditHealth } from '../../audit/audit-health.ts'
import type { MaintenanceTotals, WorkerCounts } from '../threads/thread-protocol.ts'
import type { WriteState } from '../../storage/storage-engine.ts'

type Label =
  | 'route'
  | 'method'
  | 'code'
  | 'operation'
  | 'outcome'
  | 'worker'
  | 'quantile'
  | 'direction'
  | 'le'
  | 'log'
  | 'sink'
  | 'point'
  | 'policy'
  | 'mode'
  | 'decision'
  | 'reason'

export interface Measured {
  readonly workers: readonly WorkerCounts[]
  /** Undefined: the thread did not answer. */
  readonly totals: MaintenanceTotals | undefined
  readonly maintenance: { readonly restarts: number; readonly ok: boolean }
  readonly writes: WriteState
  readonly audit: AuditHealth | undefined
}

export interface MetricsText {
  readonly contentType: string
  readonly text: string
}

/** Prometheus text of what all threads have counted. Labels are bounded: never a repository's name. */
export async function renderMetrics({
  workers,
  totals,
  maintenance,
  writes,
  audit,
}: Measured): Promise<MetricsText> {
  const registry = new Registry()
  const counter = (name: string, help: string, labelNames: Label[] = []): Counter<Label> =>
    new Counter({ name, help, labelNames, registers: [registry] })
  const gauge = (name: string, help: string, labelNames: Label[] = []): Gauge<Label> =>
    new Gauge({ name, help, labelNames, registers: [registry] })

  requestMetrics(workers, counter)
  const operations = counter('trow_storage_operations_total', 'Storage operations', ['operation', 'outcome'])
  const operationTime = counter('trow_storage_operation_seconds_total', 'Time in storage operations', [
    'operation',
    'outcome',
  ])
  for (const { operation, outcome, count, seconds } of workers.flatMap((worker) => worker.operations)) {
    operations.inc({ operation, outcome }, count)
    operationTime.inc({ operation, outcome }, seconds)
  }
  policyMetrics(workers, counter)
  const lag = gauge('trow_event_loop_lag_seconds', 'Event-loop lag since the last scrape', [
    'worker',
    'quantile',
  ])
  const inFlight = gauge('trow_http_requests_in_flight', 'Requests being answered')
  for (const worker of workers) {
    const label = String(worker.worker)
    lag.set({ worker: label, quantile: '0.99' }, worker.lag.p99)
    lag.set({ worker: label, quantile: '1' }, worker.lag.max)
    inFlight.inc(worker.inFlight)
  }
  gauge('trow_workers', 'Workers that answer').set(workers.length)
  gauge('trow_process_resident_memory_bytes', 'Memory of the whole process').set(process.memoryUsage.rss())
  gauge('trow_maintenance_up', '1 while garbage is collected').set(maintenance.ok ? 1 : 0)
  counter('trow_maintenance_restarts_total', 'Replacements of the thread that collects garbage').inc(
    maintenance.restarts,
  )
  gauge('trow_storage_writable', '1 while pushes can be stored').set(writes.health.ok ? 1 : 0)
  if (Number.isFinite(writes.freeBytes)) {
    gauge('trow_storage_free_bytes', 'Bytes until the reserve is reached').set(writes.freeBytes)
  }
  if (totals !== undefined) maintenanceMetrics(totals, counter, gauge)
  if (audit !== undefined) auditMetrics(audit, counter, gauge)
  return { contentType: registry.contentType, text: await registry.metrics() }
}

function requestMetrics(
  workers: readonly WorkerCounts[],
  counter: (name: string, help: string, labels: Label[]) => Counter<Label>,
): void {
  const labels: Label[] = ['route', 'method', 'code']
  const requests = counter('trow_http_requests_total', 'Requests answered', labels)
  const bytes = counter('trow_http_body_bytes_total', 'Bytes of bodies', ['route', 'method', 'direction'])
  const seconds = counter('trow_http_request_duration_seconds_sum', 'Time to answer, summed', labels)
  const counts = counter('trow_http_request_duration_seconds_count', 'Requests timed', labels)
  const buckets = counter('trow_http_request_duration_seconds_bucket', 'Requests up to this time', [
    ...labels,
    'le',
  ])
  for (const each of workers.flatMap((worker) => worker.requests)) {
    const { route, method } = each
    const code = String(each.status)
    requests.inc({ route, method, code }, each.count)
    counts.inc({ route, method, code }, each.count)
    seconds.inc({ route, method, code }, each.seconds)
    bytes.inc({ route, method, direction: 'in' }, each.bytesIn)
    bytes.inc({ route, method, direction: 'out' }, each.bytesOut)
    let sum = 0
    for (const [index, count] of each.buckets.entries()) {
      sum += count
      const bound = durationBuckets[index]
      buckets.inc({ route, method, code, le: bound === undefined ? '+Inf' : String(bound) }, sum)
    }
  }
}

function policyMetrics(
  workers: readonly WorkerCounts[],
  counter: (name: string, help: string, labels: Label[]) => Counter<Label>,
): void {
  const counts = workers.flatMap((worker) => worker.policies)
  if (counts.length === 0) return
  const labels: Label[] = ['point', 'policy', 'mode', 'decision', 'reason']
  const decisions = counter('trow_policy_decisions_total', 'What policies have decided of images', labels)
  for (const { count, ...labelled } of counts) decisions.inc(labelled, count)
}

function maintenanceMetrics(
  totals: MaintenanceTotals,
  counter: (name: string, help: string) => Counter<Label>,
  gauge: (name: string, help: string) => Gauge<Label>,
): void {
  counter('trow_gc_runs_total', 'Collections of garbage that ended').inc(totals.collections)
  counter('trow_gc_items_total', 'Things that were collected').inc(totals.collectedItems)
  counter('trow_gc_freed_bytes_total', 'Bytes of the blobs that were deleted').inc(totals.collectedBytes)
  gauge('trow_gc_last_run_timestamp_seconds', 'When the last collection ended').set(totals.lastCollection)
}

function auditMetrics(
  { ok, outbox, lost, lines, sinks }: AuditHealth,
  counter: (name: string, help: string, labels?: Label[]) => Counter<Label>,
  gauge: (name: string, help: string, labels?: Label[]) => Gauge<Label>,
): void {
  gauge('trow_audit_writable', '1 while the audit log can be written').set(ok ? 1 : 0)
  gauge('trow_audit_outbox_rows', 'Changes and denials that wait for the log').set(outbox.rows)
  counter('trow_audit_lost_total', 'Allowed accesses that will never be in the log').inc(lost)
  const written = counter('trow_audit_lines_total', 'Lines written to the log', ['log'])
  for (const [log, count] of Object.entries(lines)) written.inc({ log }, count)
  const lag = gauge('trow_audit_sink_lag_lines', 'Lines that a sink does not have yet', ['sink'])
  for (const sink of sinks) lag.set({ sink: sink.name }, sink.lag)
}
