import { setTimeout as sleep } from 'node:timers/promises'
import { makeCallers } from './callers.ts'
import { Cluster } from './cluster.ts'
import { CallerLoad } from './load.ts'
import { ClusterRegistry } from './registry.ts'
import { clusterProblem, installClusterComponents } from './requirements.ts'

// `npm run test:e2e:outage [-- SECONDS [frozen]]`: keeps the API server away from a registry, or lets it keep silent,
// under a light, constant load of every kind of caller, for five minutes unless told, and prints what each of them got.
// Exit code 1: somebody got what they should not.

const [seconds = '300', how = 'killed'] = process.argv.slice(2)
const away = Number(seconds) * 1000
const settle = 35_000
const recovery = 30_000
const watch = 60_000
const log = (line: string): void => console.log(line)

installClusterComponents(log)
const problem = clusterProblem()
if (problem !== false) throw new Error(problem)
if (!(away > settle)) throw new Error(`the API server must be away for more than ${settle / 1000} s`)

const cluster = await Cluster.open()
try {
  const registry = await ClusterRegistry.start(cluster, { namespaces: ['team-a', 'team-b'] })
  try {
    await run(registry)
  } finally {
    await registry.close()
  }
} finally {
  await cluster.close()
}

async function run(registry: ClusterRegistry): Promise<void> {
  const callers = await makeCallers(registry)
  // By then the API server knows the new role bindings.
  await sleep(10_000)
  const load = new CallerLoad(callers, 2)
  await sleep(10_000)
  await cluster.stopApiServer(how === 'frozen' ? how : 'killed')
  log(`${new Date().toISOString()} the API server is away for ${seconds} s`)
  load.phase = 'during'
  let back: number
  try {
    await sleep(away)
  } finally {
    load.phase = 'recovery'
    await cluster.startApiServer()
    back = Date.now()
  }
  log(`${new Date().toISOString()} it answers again`)
  await sleep(recovery)
  load.phase = 'after'
  await sleep(watch)
  await load.end()
  log(load.table(['before', 'during', 'recovery', 'after']))
  for (const caller of callers) {
    const later = load.lastUnusual(caller) - back
    if (later > 0) log(`${caller.name}: last without the usual answer ${later} ms after it answered again`)
    const unusual = [...load.tally(caller, 'after').statuses.keys()].filter(
      (key) => key !== String(caller.usual),
    )
    const refused = load.tally(caller, 'during').statuses.get('401') ?? 0
    const { withoutRetryAfter } = load.tally(caller, 'during')
    if (unusual.length + refused + withoutRetryAfter === 0) continue
    log(
      `FAILED ${caller.name}: ${refused} times 401, ${withoutRetryAfter} times 503 without Retry-After, then ${unusual.join(' ')}`,
    )
    process.exitCode = 1
  }
}
