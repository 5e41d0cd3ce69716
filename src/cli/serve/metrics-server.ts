import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { KnownHosts } from '../../http/known-hosts.ts'
import type { Maintenance } from './maintenance.ts'
import type { AuditHealth } from '../../audit/audit-health.ts'
import type { ServedThread } from './served-thread.ts'
import type { AuditReport } from './thread-protocol.ts'
import { cannotListen, type WorkerGroup } from './worker-group.ts'
import type { Measured } from './metrics-text.ts'
import type { WriteWatch } from './write-watch.ts'

export interface MetricsServer {
  readonly address: string
  close(): Promise<void>
}

interface MetricsParts {
  readonly workers: WorkerGroup
  readonly maintenance: Maintenance
  readonly writes: WriteWatch
  readonly audit: ServedThread | undefined
  /** Undefined: any Host is answered. */
  readonly hosts: KnownHosts | undefined
}

/** `/metrics` on a listener of its own: the sums of all workers. Throws UserError as `claimPort` does. */
export async function serveMetrics(
  { host, port }: { readonly host: string; readonly port: number },
  parts: MetricsParts,
): Promise<MetricsServer> {
  // Loaded only when it is used, so that the server starts fast without.
  const { renderMetrics } = await import('./metrics-text.ts')
  const server = createServer((request, response) => {
    if (parts.hosts?.has(request.headers.host) === false) {
      response
        .writeHead(421, { 'Content-Type': 'text/plain' })
        .end('this server does not answer under this name\n')
      return
    }
    if (request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('metrics are under /metrics\n')
      return
    }
    Promise.all([parts.workers.counts(), parts.maintenance.totals(), auditHealth(parts.audit)])
      .then(([workers, maintenance, audit]) =>
        renderMetrics({ workers, totals: maintenance, audit, ...stateOf(parts) }),
      )
      .then(
        ({ contentType, text }) => response.writeHead(200, { 'Content-Type': contentType }).end(text),
        () => response.writeHead(500).end(),
      )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', ({ code = '', message }: NodeJS.ErrnoException) =>
      reject(cannotListen(host, port, { code, message })),
    )
    server.listen({ host, port }, resolve)
  })
  const bound = server.address() as AddressInfo
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${bound.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function auditHealth(audit: ServedThread | undefined): Promise<AuditHealth | undefined> {
  return audit?.ask('health', (report: AuditReport, id) =>
    report.kind === 'health' && report.id === id ? report.health : undefined,
  )
}

function stateOf({ maintenance, writes }: MetricsParts): Pick<Measured, 'maintenance' | 'writes'> {
  const { restarts, health } = maintenance
  return { maintenance: { restarts, ok: health.ok }, writes: writes.state }
}
