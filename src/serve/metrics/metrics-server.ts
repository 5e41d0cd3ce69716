import type { AddressInfo } from 'node:net'
import type { KnownHosts } from '../../http/known-hosts.ts'
import type { Maintenance } from '../threads/maintenance.ts'
import type { AuditHealth } from '../../audit/audit-health.ts'
import type { ServedThread } from '../threads/served-thread.ts'
import { cannotListen } from '../cannot-listen.ts'
import type { WorkerGroup } from '../threads/worker-group.ts'
import type { Measured, MetricsText } from './metrics-text.ts'
import type { Log } from '../../log.ts'
import { patience } from '../threads/threads.ts'
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
  /** Undefined: any Host is answered. */
  readonly hosts: KnownHosts | undefined
}

/** Milliseconds for which one text is given to all: each asks every thread, and any pod of a cluster reaches the port. */
const givenFor = 1000

/** `/metrics` on a listener of its own: the sums of all workers. Throws UserError as `claimPort` does. */
export async function serveMetrics(
  { host, port }: { readonly host: string; readonly port: number },
  parts: MetricsParts,
): Promise<MetricsServer> {
  // Loaded only when it is used, so that the server starts fast without.
  const [{ renderMetrics }, { MetricsSurface }, { HttpListener }, { TrustedProxies }] = await Promise.all([
    import('./metrics-text.ts'),
    import('./metrics-surface.ts'),
    import('../../http/http-listener.ts'),
    import('../../http/client-address.ts'),
  ])
  const measure = shared(async (): Promise<MetricsText> => {
    const [workers, totals, audit] = await Promise.all([
      parts.workers.counts(),
      parts.maintenance.totals(),
      auditHealth(parts.audit),
    ])
    return renderMetrics({ workers, totals, audit, ...stateOf(parts) })
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
  let bound: AddressInfo | undefined
  try {
    bound = await listener.listen({ host, port })
  } catch (error) {
    throw cannotListen(host, port, error)
  }
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${bound?.port}`,
    close: () => listener.close(0),
  }
}

/** Made once for all who ask while it is made, and within a second after. */
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

function stateOf({ maintenance, writes }: MetricsParts): Pick<Measured, 'maintenance' | 'writes'> {
  const { restarts, health } = maintenance
  return { maintenance: { restarts, ok: health.ok }, writes: writes.state }
}
