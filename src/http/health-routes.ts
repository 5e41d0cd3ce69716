import { jsonReply } from './reply.ts'
import { route, type Route } from './route.ts'

export type Health = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/** Asked at each request; answers are not cached. */
export interface HealthChecks {
  read(): Promise<Health>
  write(): Promise<Health>
}

/** Readiness means reads: a full disk must not take the pulls away. */
export function healthRoutes(checks: HealthChecks): Route[] {
  return [
    route(['GET', 'HEAD'], '/livez', 'none', () => jsonReply(200, { live: true })),
    route(['GET', 'HEAD'], '/readyz', 'none', async () => {
      const [read, write] = await Promise.all([checks.read(), checks.write()])
      return jsonReply(read.ok ? 200 : 503, { read, write })
    }),
    route(['GET', 'HEAD'], '/readyz/write', 'none', async () => {
      const write = await checks.write()
      return jsonReply(write.ok ? 200 : 503, { write })
    }),
  ]
}
