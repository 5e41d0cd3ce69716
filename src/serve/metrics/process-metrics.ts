import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'

/** Gauges whose names end in `_total`, which is for counters: promtool refuses them. */
const misnamed = [
  'nodejs_active_resources_total',
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
]

/** `process_*` of the whole process, `nodejs_*` of the thread that calls this, and which build it is. */
export function processMetrics(version: string): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const name of misnamed) registry.removeSingleMetric(name)
  const build = new Gauge({
    name: 'trow_build_info',
    help: 'Always 1; the labels say which version of trow runs, on which Node and SQLite',
    labelNames: ['version', 'node', 'sqlite'],
    registers: [registry],
  })
  build.set({ version, node: process.versions.node, sqlite: process.versions['sqlite'] ?? '' }, 1)
  return registry
}
