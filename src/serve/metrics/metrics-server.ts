import type { KnownHosts } from '../../http/known-hosts.ts'
import type { Maintenance } from '../threads/maintenance.ts'
import type { AuditHealth } from '../../audit/audit-health.ts'
import type { Policies } from '../threads/policies.ts'
import type { ServedThread } from '../threads/served-thread.ts'
import { listening } from '../listening.ts'
import type { WorkerGroup } from '../threads/worker-group.ts'
import type { Measured, MetricsText } from './metrics-text.ts'
import type { Log } from '../../log.ts'
import { patience } from '../threads/threads.ts'
import type { TlsSource } from '../tls/tls-source.ts'
import type { WriteWatch } from '../write-watch.ts'

export interface MetricsServer {
  readonly address: string
  close(): Promise<void>
}

interface MetricsParts {
  readonly log: Log
  readonly workers: WorkerGroup
  readonly maintenance: Maintenance
  readonly writes: WriteWatch
  readonly audit: ServedThread | undefined
  readonly policies: Policies | undefined
  readonly tls: TlsSource | undefined
  readonly version: string
  /** Undefined: requests with any Host header are answered. */
  readonly hosts: KnownHosts | undefined
}

/**
 * Milliseconds for which one result is reused: each result asks every thread, and any pod of a cluster can
 * reach the port.
 */
const givenFor = 1000

/** Serves `/metrics` on its own listener: the sums over all workers. Throws UserError as `claimPort` does. */
export async function serveMetrics(
  { host, port }: { readonly host: string; readonly port: number },
  parts: MetricsParts,
): Promise<MetricsServer> {
  // Loaded only when metrics are served, so that a server without them starts fast.
  const [{ renderMetrics }, { processMetrics }, { MetricsSurface }, { HttpListener }, { TrustedProxies }] =
    await Promise.all([
      import('./metrics-text.ts'),
      import('./process-metrics.ts'),
      import('./metrics-surface.ts'),
      import('../../http/http-listener.ts'),
      import('../../http/client-address.ts'),
    ])
  const ofProcess = processMetrics(parts.version)
  const measure = shared(async (): Promise<MetricsText> => {
    const [workers, totals, audit, status] = await Promise.all([
      parts.workers.counts(),
      parts.maintenance.totals(),
      auditHealth(parts.audit),
      parts.policies?.status(),
    ])
    const policies = parts.policies && { restarts: parts.policies.restarts, status }
    return renderMetrics({ workers, totals, audit, policies, process: ofProcess, ...stateOf(parts) })
  })
  const listener = new HttpListener({
    surface: new MetricsSurface(measure),
    log: parts.log,
    replies: undefined,
    proxies: new TrustedProxies([]),
    hosts: parts.hosts,
    idleTimeout: 60_000,
    tls: undefined,
    certificates: false,
    accessLog: undefined,
    idPrefix: 'metrics',
    now: Date.now,
  })
  return { address: await listening(listener, { host, port }), close: () => listener.close(0) }
}

/** Calls `make` once for all callers that arrive while it runs and within a second after. */
function shared<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined
  return () => {
    made ??= make().finally(() => setTimeout(() => (made = undefined), givenFor).unref())
    return made
  }
}

async function auditHealth(audit: ServedThread | undefined): Promise<AuditHealth | undefined> {
  return audit?.channel.callWithin(patience, 'health').catch(() => undefined)
}

function stateOf({
  maintenance,
  writes,
  tls,
}: MetricsParts): Pick<Measured, 'maintenance' | 'writes' | 'certificates'> {
  const { restarts, health } = maintenance
  const certificates = tls && {
    default: tls.pair.cert,
    named: tls.pair.named?.cert,
    ca: tls.own?.authority.cert,
  }
  return { maintenance: { restarts, ok: health.ok }, writes: writes.state, certificates }
}
