import { webcrypto } from 'node:crypto'
import { makeAuthority } from '../../../src/certificates/certificate-authority.ts'
import { RequestCounters } from '../../../src/http/request-counters.ts'
import { scanMetrics } from '../../../src/scan/scan-metrics.ts'
import type { FloorStatus } from '../../../src/serve/admission/floor-status.ts'
import { AdmissionMetrics } from '../../../src/serve/admission/admission-metrics.ts'
import { renderMetrics, type Measured } from '../../../src/serve/metrics/metrics-text.ts'
import { processMetrics } from '../../../src/serve/metrics/process-metrics.ts'
import type { WorkerCounts } from '../../../src/serve/threads/thread-protocol.ts'

const { cert: certificate } = await makeAuthority([], [], webcrypto as Crypto)

/** A worker that answered one request in each of so many milliseconds. */
export function workerOf(worker: number, ...milliseconds: readonly number[]): WorkerCounts {
  const counters = new RequestCounters()
  for (const each of milliseconds) {
    counters.record('/v2/', 'GET', 200, { milliseconds: each, bytesIn: 0, bytesOut: 2 })
  }
  return {
    worker,
    inFlight: 1,
    requests: counters.snapshot(),
    operations: [{ operation: 'metadata.putBlob', outcome: 'ok', count: 1, seconds: 0.001 }],
    staleReads: 1,
    policies: [
      {
        point: 'push',
        policy: 'a "b" \\ c',
        mode: 'enforce',
        decision: 'deny',
        reason: 'DENY_LIST',
        count: 1,
      },
    ],
    lag: { mean: 0.01, p99: 0.02, max: 0.03 },
    heapUsed: 1000,
  }
}

/** Everything that the registry can measure is there. */
export function everythingMeasured(workers: readonly WorkerCounts[]): Measured {
  return {
    workers,
    totals: {
      collections: 1,
      collectedItems: 2,
      collectedBytes: 3,
      lastCollection: 4,
      commitsLost: 5,
      lostBlobs: 6,
      otherDatabases: 7,
    },
    maintenance: { restarts: 0, ok: true },
    writes: { health: { ok: true }, freeBytes: 5, fileSystem: { freeBytes: 6, sizeBytes: 7 } },
    audit: {
      ok: true,
      problem: undefined,
      since: undefined,
      outbox: { rows: 0, bytes: 0 },
      waiting: 0,
      lost: 0,
      lines: { changes: 1, denials: 2, pulls: 3 },
      last: { changes: 1, denials: 2, pulls: 3 },
      signedAt: 0,
      sinks: [],
    },
    policies: {
      restarts: 0,
      status: {
        source: 'a folder',
        generation: 1,
        hash: undefined,
        inForceSince: undefined,
        lastSync: undefined,
        away: undefined,
        fromDisk: false,
        ok: true,
        units: [],
        notes: [],
      },
    },
    certificates: { default: certificate, named: undefined, ca: certificate },
    process: processMetrics('0.1.0'),
  }
}

export async function registryText(workers = [workerOf(0, 1), workerOf(1, 1)]): Promise<string> {
  return (await renderMetrics(everythingMeasured(workers))).text
}

/** Of the admission pod that scans, with everything. */
export async function admissionText(): Promise<string> {
  const scan = scanMetrics({
    findings: {
      at: '2026-11-29T10:00:00Z',
      seconds: 1,
      generation: 1,
      pods: 1,
      images: 1,
      notLookedAt: 0,
      violating: 1,
      unchecked: 0,
      excepted: 0,
      policies: [{ policy: 'base', mode: 'audit', pods: 1, namespaces: 1 }],
      namespaces: [{ namespace: 'team-a', policy: 'base', pods: 1 }],
      owners: [],
      findings: [],
      leftOut: { policies: 0, namespaces: 0, findings: 0 },
    },
    failures: 0,
  })
  const floor: FloorStatus = { state: 'idle', inForce: undefined, openUntil: undefined, problems: [] }
  const metrics = new AdmissionMetrics('0.1.0')
  metrics.reviewed('/admission/pods', 0.002)
  const { text } = await metrics.render({
    decisions: [
      { point: 'admission', policy: 'base', mode: 'audit', decision: 'allow', reason: '', count: 1 },
    ],
    records: { waiting: 0, waitingBytes: 0, kept: 1, lost: 0 },
    room: { held: 0, waiting: 0 },
    generation: 1,
    isReady: true,
    isOpen: false,
    cluster: { isHolder: true, lastSync: 1000, failurePolicy: 'Fail', floor, scan },
    restarts: 0,
    certificate,
  })
  return text
}
