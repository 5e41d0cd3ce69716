import { jsonReply } from './reply.ts'
import { route, type Route } from './route.ts'

export type Health = { readonly ok: true } | { readonly ok: false; readonly reason: string }

export interface HealthChecks {
  /** Asked at each request. */
  read(): Promise<Health>
  /** As they were seen last: a request never waits for a disk. */
  write(): Health
  maintenance(): Health
}

/** Readiness means reads: a disk that is full or hangs must not take the pulls away. */
export function healthRoutes(checks: HealthChecks): Route[] {
  return [
    route(['GET', 'HEAD'], '/livez', 'none', () => jsonReply(200, { live: true })),
    route(['GET', 'HEAD'], '/readyz', 'none', async () => {
      const read = await checks.read()
      const body = { read, write: checks.write(), maintenance: checks.maintenance() }
      return jsonReply(read.ok ? 200 : 503, body)
    }),
    route(['GET', 'HEAD'], '/readyz/write', 'none', () => {
      const write = checks.write()
      return jsonReply(write.ok ? 200 : 503, { write })
    }),
  ]
}
