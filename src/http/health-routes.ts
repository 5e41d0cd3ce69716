import { jsonReply } from './reply.ts'
import { route, type Route } from './route.ts'

export type Health = { readonly ok: true } | { readonly ok: false; readonly reason: string }

export interface HealthChecks {
  /** Evaluated for each request. */
  read(): Promise<Health>
  /** The last known state: a request never waits for a disk. */
  write(): Health
  maintenance(): Health
  /** Undefined where no policies are configured. */
  readonly policies?: (() => Health) | undefined
}

/** `/readyz` reports reads alone: a disk that is full or hangs must not stop pulls. */
export function healthRoutes(checks: HealthChecks): Route[] {
  return [
    route(['GET', 'HEAD'], '/livez', 'none', () => jsonReply(200, { live: true })),
    route(['GET', 'HEAD'], '/readyz', 'none', async () => {
      const read = await checks.read()
      const policies = checks.policies?.()
      const body = { read, write: checks.write(), maintenance: checks.maintenance(), policies }
      return jsonReply(read.ok && policies?.ok !== false ? 200 : 503, body)
    }),
    route(['GET', 'HEAD'], '/readyz/write', 'none', () => {
      const write = checks.write()
      return jsonReply(write.ok ? 200 : 503, { write })
    }),
  ]
}
