import { memoryUsage } from 'node:process'
import { Counter, Gauge, Registry } from 'prom-client'
import type { AuditHealth } from '../../audit/audit-health.ts'
import { isSourceHeard, type PolicyStatus } from '../../policy-store/policy-status.ts'
import type { MaintenanceTotals, WorkerCounts } from '../threads/thread-protocol.ts'
import type { WriteState } from '../../storage/storage-engine.ts'
import { certificateMetrics, type ServedCertificates } from './certificate-metrics.ts'
import { workerMetrics } from './worker-metrics.ts'

type Label =
  | 'route'
  | 'method'
  | 'code'
  | 'operation'
  | 'outcome'
  | 'worker'
  | 'direction'
  | 'log'
  | 'sink'
  | 'point'
  | 'policy'
  | 'mode'
  | 'decision'
  | 'reason'
  | 'state'

export interface Measured {
  readonly workers: readonly WorkerCounts[]
  /** Undefined: the thread did not answer. */
  readonly totals: MaintenanceTotals | undefined
  readonly maintenance: { readonly restarts: number; readonly ok: boolean }
  readonly writes: WriteState
  readonly audit: AuditHealth | undefined
  /** Undefined: none are configured. `status` undefined: the thread that reads them did not answer. */
  readonly policies: { readonly restarts: number; readonly status: PolicyStatus | undefined } | undefined
  /** Undefined: the server has no TLS. */
  readonly certificates: ServedCertificates | undefined
  /** As `processMetrics` makes it. */
  readonly process: Registry
}

export interface MetricsText {
  readonly contentType: string
  readonly text: string
}

/**
 * Renders the counts of all threads as Prometheus text. Labels are bounded: a repository's name is never a
 * label.
 */
export async function renderMetrics({
  workers,
  totals,
  maintenance,
  writes,
  audit,
  policies,
  certificates,
  process: ofProcess,
}: Measured): Promise<MetricsText> {
  const registry = new Registry()
  const counter = (name: string, help: string, labelNames: Label[] = []): Counter<Label> =>
    new Counter({ name, help, labelNames, registers: [registry] })
  const gauge = (name: string, help: string, labelNames: Label[] = []): Gauge<Label> =>
    new Gauge({ name, help, labelNames, registers: [registry] })

  const operations = counter('trow_storage_operations_total', 'Storage operations', ['operation', 'outcome'])
  const operationTime = counter('trow_storage_operation_seconds_total', 'Time in storage operations', [
    'operation',
    'outcome',
  ])
  for (const { operation, outcome, count, seconds } of workers.flatMap((worker) => worker.operations)) {
    operations.inc({ operation, outcome }, count)
    operationTime.inc({ operation, outcome }, seconds)
  }
  counter('trow_stale_reads_total', 'Reads answered from caches while the database was away').inc(
    workers.reduce((sum, { staleReads }) => sum + staleReads, 0),
  )
  decisionMetrics(workers, counter)
  if (policies !== undefined) policyMetrics(policies, counter, gauge)
  const heap = gauge('trow_worker_heap_used_bytes', 'Used part of the JavaScript heap of a worker', [
    'worker',
  ])
  const inFlight = gauge('trow_http_requests_in_flight', 'Requests being answered')
  for (const worker of workers) {
    const label = String(worker.worker)
    heap.set({ worker: label }, worker.heapUsed)
    inFlight.inc(worker.inFlight)
  }
  gauge('trow_workers', 'Workers that answer').set(workers.length)
  gauge('trow_process_resident_memory_bytes', 'Memory of the whole process').set(memoryUsage.rss())
  gauge('trow_maintenance_up', '1 while garbage is collected').set(maintenance.ok ? 1 : 0)
  counter('trow_maintenance_restarts_total', 'Replacements of the thread that collects garbage').inc(
    maintenance.restarts,
  )
  gauge('trow_storage_writable', '1 while pushes can be stored').set(writes.health.ok ? 1 : 0)
  if (Number.isFinite(writes.freeBytes)) {
    gauge('trow_storage_free_bytes', 'Bytes until the reserve is reached').set(writes.freeBytes)
  }
  if (writes.fileSystem !== undefined) {
    const { freeBytes, sizeBytes } = writes.fileSystem
    gauge('trow_data_filesystem_free_bytes', 'Bytes free on the file system of the data folder').set(
      freeBytes,
    )
    gauge('trow_data_filesystem_size_bytes', 'Size of the file system of the data folder').set(sizeBytes)
  }
  if (certificates !== undefined) certificateMetrics(certificates, registry)
  if (totals !== undefined) maintenanceMetrics(totals, counter, gauge)
  if (audit !== undefined) auditMetrics(audit, counter, gauge)
  const all = Registry.merge([ofProcess, workerMetrics(workers), registry])
  return { contentType: all.contentType, text: await all.metrics() }
}

function decisionMetrics(
  workers: readonly WorkerCounts[],
  counter: (name: string, help: string, labels: Label[]) => Counter<Label>,
): void {
  const counts = workers.flatMap((worker) => worker.policies)
  if (counts.length === 0) return
  const labels: Label[] = ['point', 'policy', 'mode', 'decision', 'reason']
  const decisions = counter('trow_policy_decisions_total', 'What policies have decided of images', labels)
  for (const { count, ...labelled } of counts) decisions.inc(labelled, count)
}

function policyMetrics(
  { restarts, status }: NonNullable<Measured['policies']>,
  counter: (name: string, help: string) => Counter<Label>,
  gauge: (name: string, help: string, labels?: Label[]) => Gauge<Label>,
): void {
  counter('trow_policy_restarts_total', 'Replacements of the thread that reads policies').inc(restarts)
  const isHeard = status !== undefined && isSourceHeard(status, Date.now())
  gauge('trow_policy_source_up', '1 while the source of policies was heard within 10 s').set(isHeard ? 1 : 0)
  if (status === undefined) return
  const { generation, lastSync, units } = status
  gauge('trow_policy_generation', 'Of the policies in force; 0: none were read').set(generation ?? 0)
  gauge('trow_policy_last_sync_timestamp_seconds', 'When the source was heard last').set(
    (lastSync ?? 0) / 1000,
  )
  gauge('trow_policy_rejected_units', 'Files or objects that do not load').set(
    units.filter(({ problems }) => problems.length > 0).length,
  )
  const objects = units.flatMap((unit) => unit.objects)
  const exceptions = objects.filter((object) => object.kind === 'TrowException')
  const live = exceptions.filter(({ isLive }) => isLive).length
  gauge('trow_policy_policies', 'Policies in force').set(objects.length - exceptions.length)
  const states = gauge('trow_policy_exceptions', 'Exceptions', ['state'])
  states.set({ state: 'live' }, live)
  states.set({ state: 'expired' }, exceptions.length - live)
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
  gauge(
    'trow_commits_lost_timestamp_seconds',
    'When it was noticed that the database had lost commits; 0: it has not',
  ).set(totals.commitsLost)
  gauge('trow_commits_lost_blobs', 'Blobs whose bytes were gone after that').set(totals.lostBlobs)
  gauge('trow_other_databases', 'Other databases that answer for the same blobs').set(totals.otherDatabases)
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
