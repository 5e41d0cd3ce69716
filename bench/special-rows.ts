import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runLoad, runWrk } from './load.ts'
import { accessRows } from './access-rows.ts'
import type { Peer } from './peers.ts'
import { median, type Finding, type SpecialRow, type Tools } from './row.ts'
import { hundredMegabytes, oneMegabyte, seed, seedManyRepositories } from './seed.ts'
import { seedRows } from './seed-rows.ts'
import { residentMegabytes, type Server } from './server.ts'

/** Rows about one server in several states, each with servers of its own. */
export const specialRows: readonly SpecialRow[] = [
  ...accessRows,
  { name: 'access log on', peers: ['trow'], measure: accessLog },
  { name: 'width of a repository', peers: ['trow'], measure: width },
  {
    name: 'manifest GET while 8 push',
    peers: ['trow', 'bare-node', 'distribution'],
    measure: duringPushes,
  },
  { name: 'manifest GET while GC and fsck run', peers: ['trow'], measure: duringMaintenance },
  { name: 'memory with 200 streams', peers: ['trow', 'bare-node', 'distribution'], measure: memory },
  { name: 'start with 1,000,000 manifests', peers: ['trow'], measure: startLarge },
  {
    name: 'restart with many repositories',
    peers: ['trow', 'bare-node', 'distribution'],
    measure: restart,
  },
]

async function accessLog(peer: Peer, tools: Tools): Promise<Finding[]> {
  const values: Record<'on' | 'off', number[]> = { on: [], off: [] }
  const servers: Server[] = []
  try {
    const states = ['on', 'off'] as const
    const paths: string[] = []
    for (const state of states) {
      const folder = join(tools.folder, state)
      const server = await peer.start({ ...tools, folder, args: [`--access-log=${state}`] })
      servers.push(server)
      paths.push(server.url + (await seed(server, tools.folder)).manifestPath)
    }
    for (let round = 0; round < tools.rounds; round++) {
      for (const [index, state] of states.entries()) {
        const url = paths[index] as string
        const result = await runWrk({ url, connections: 32, seconds: tools.seconds })
        values[state].push(result.requestsPerSecond)
      }
    }
  } finally {
    for (const server of servers) await server.stop()
  }
  const [on, off] = [median(values.on), median(values.off)]
  return [
    fact('manifest GET by tag with the access log on', 'req/s', on),
    fact('… as a share of the same without', '', on / off),
  ]
}

/** One repository of 100 manifests beside one of 100,000 in the same store, at random over all of them. */
async function width(peer: Peer, tools: Tools): Promise<Finding[]> {
  const sizes = [
    { name: '100', folder: join(tools.folder, 'narrow', 'data'), manifests: 100 },
    { name: '100,000', folder: join(tools.folder, 'wide', 'data'), manifests: 100_000 },
  ]
  const servers: Server[] = []
  const measured = new Map<string, number[]>()
  try {
    const subjects = []
    for (const { folder, manifests } of sizes) {
      const seeded = seedRows(folder, { repositories: 1, manifests })
      const server = await peer.start({ ...tools, folder })
      servers.push(server)
      subjects.push({ seeded, server, manifests })
    }
    // As everywhere, the first round is preceded by the same load: until most of what is asked for has been asked for.
    for (const { seeded, server } of subjects) {
      const { target, url } = server
      await runWrk({ url, connections: 32, seconds: 5, pathsFile: seeded.manifestPaths })
      const paths = { kind: 'list', file: seeded.blobPaths } as const
      await runLoad({ kind: 'requests', method: 'HEAD', target, connections: 32, seconds: 5, paths })
    }
    for (let round = 0; round < tools.rounds; round++) {
      for (const { seeded, server, manifests } of subjects) {
        const { target, url } = server
        const { seconds } = tools
        const keep = (what: string, value: number): void => {
          const key = `${what} ${manifests}`
          measured.set(key, [...(measured.get(key) ?? []), value])
        }
        const get = await runWrk({
          url,
          connections: 32,
          seconds,
          pathsFile: seeded.manifestPaths,
        })
        keep('manifest GET', get.requestsPerSecond)
        const one = await runWrk({
          url: `${url}/v2/rows/0/manifests/v${String(manifests - 1).padStart(6, '0')}`,
          connections: 32,
          seconds,
        })
        keep('manifest GET of one tag', one.requestsPerSecond)
        const head = await runLoad({
          kind: 'requests',
          method: 'HEAD',
          target,
          connections: 32,
          seconds,
          paths: { kind: 'list', file: seeded.blobPaths },
        })
        keep('blob HEAD', head.done / head.seconds)
        const from = manifests > 100 ? `&last=v${String(manifests >> 1).padStart(6, '0')}` : ''
        const tags = await runWrk({
          url: `${url}/v2/rows/0/tags/list?n=100${from}`,
          connections: 32,
          seconds,
        })
        keep('tags n=100', tags.requestsPerSecond)
        const { config, layer } = seeded
        const repository = 'rows/0'
        const pushed = await runLoad({
          kind: 'manifests',
          target,
          connections: 8,
          seconds: Math.min(2, seconds),
          repository,
          config,
          layer,
        })
        keep('manifest push', pushed.done / pushed.seconds)
      }
    }
  } finally {
    for (const server of servers) await server.stop()
  }
  const findings: Finding[] = []
  for (const what of [
    'manifest GET',
    'manifest GET of one tag',
    'blob HEAD',
    'tags n=100',
    'manifest push',
  ]) {
    const narrow = median(measured.get(`${what} 100`) as number[])
    const wide = median(measured.get(`${what} 100000`) as number[])
    findings.push(fact(`${what}, repository of 100 manifests`, '/s', narrow))
    findings.push(fact(`${what}, repository of 100,000 manifests`, '/s', wide))
    const ratio = wide / narrow
    findings.push({
      name: '… as a share of the narrow one',
      unit: '',
      value: ratio,
      goal: { text: '≥ 0.85', met: ratio >= 0.85 },
    })
  }
  return findings
}

async function duringPushes(peer: Peer, tools: Tools): Promise<Finding[]> {
  const server = await peer.start({ ...tools, folder: join(tools.folder, 'data') })
  try {
    const seeded = await seed(server, tools.folder)
    const seconds = Math.max(4, tools.seconds)
    const calm: number[] = []
    const busy: number[] = []
    for (let round = 0; round < tools.rounds; round++) {
      calm.push(await steadyGets(server, seeded.manifestPath, { rate: 500, seconds }))
      const pushes = runLoad({
        kind: 'images',
        target: server.target,
        connections: 8,
        seconds: seconds + 1,
        repository: 'bench/busy',
        configSize: 900,
        layerSize: oneMegabyte,
      })
      await new Promise((resolve) => setTimeout(resolve, 500))
      busy.push(await steadyGets(server, seeded.manifestPath, { rate: 500, seconds }))
      await pushes
    }
    return compareTails(calm, busy, {
      peer,
      label: 'p99 of manifest GET',
      state: 'while 8 push images',
      limit: 3,
    })
  } finally {
    await server.stop()
  }
}

/** Collections follow each other every second; a throttled fsck takes longer than the measurement. */
async function duringMaintenance(peer: Peer, tools: Tools): Promise<Finding[]> {
  const folder = join(tools.folder, 'data')
  seedRows(folder, { repositories: 10, manifests: tools.quick ? 1000 : 10_000 })
  const run = { rate: 2000, seconds: Math.max(5, tools.seconds) }
  const calm: number[] = []
  const busy: number[] = []
  let calmServer = await peer.start({ ...tools, folder })
  try {
    const { manifestPath } = await seed(calmServer, tools.folder)
    const { target } = calmServer
    const megabytes = tools.quick ? 500 : 1500
    await runLoad({
      kind: 'blobs',
      target,
      connections: 2,
      seconds: 60,
      repository: 'bench/checked',
      size: 10 * oneMegabyte,
      limit: megabytes / 10,
    })
    for (let round = 0; round < tools.rounds; round++) {
      calm.push(await steadyGets(calmServer, manifestPath, run))
      await calmServer.stop()
      const busyServer = await peer.start({ ...tools, folder, args: ['--gc-interval=1s'] })
      const stop = new AbortController()
      try {
        const checking = runTrow(['fsck', '--data', folder], stop.signal)
        await new Promise((resolve) => setTimeout(resolve, 3000))
        busy.push(await steadyGets(busyServer, manifestPath, run))
        stop.abort()
        await checking
      } finally {
        stop.abort()
        await busyServer.stop()
      }
      calmServer = await peer.start({ ...tools, folder })
    }
  } finally {
    await calmServer.stop()
  }
  return compareTails(calm, busy, {
    peer,
    label: 'p99 of manifest GET at 2,000 req/s',
    state: 'while gc and fsck run',
    limit: 2,
  })
}

function compareTails(
  calm: readonly number[],
  busy: readonly number[],
  {
    peer,
    label,
    state,
    limit,
  }: {
    readonly peer: Peer
    readonly label: string
    readonly state: string
    readonly limit: number
  },
): Finding[] {
  const ratio = median(busy) / median(calm)
  return [
    fact(`${label}, idle`, 'ms', median(calm)),
    fact(`${label}, ${state}`, 'ms', median(busy)),
    {
      name: '… as a multiple of idle',
      unit: '',
      value: ratio,
      goal: peer.name === 'trow' ? { text: `≤ ${limit}`, met: ratio <= limit } : undefined,
    },
  ]
}

async function steadyGets(
  { target }: Server,
  path: string,
  { rate, seconds }: { readonly rate: number; readonly seconds: number },
): Promise<number> {
  const result = await runLoad({
    kind: 'rate',
    method: 'GET',
    target,
    connections: 64,
    seconds,
    rate,
    paths: { kind: 'one', path },
  })
  return result.p99
}

/** Runs a trow command until it ends or is told to; failing by itself is an error. */
async function runTrow(args: readonly string[], signal: AbortSignal): Promise<void> {
  const program = fileURLToPath(new URL('../bin/trow.js', import.meta.url))
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true })
  const [code] = (await once(child, 'close')) as [number | null]
  if (!signal.aborted && code !== 0) throw new Error(`trow ${args[0]} ended with ${code}`)
}

async function memory(peer: Peer, tools: Tools): Promise<Finding[]> {
  const server = await peer.start({ ...tools, folder: join(tools.folder, 'data') })
  try {
    const seeded = await seed(server, tools.folder)
    const seconds = tools.quick ? 4 : 10
    const common = { target: server.target, connections: 200, seconds } as const
    const out = await peak(server, runLoad({ ...common, kind: 'streams-out', path: seeded.largePath }))
    const into = await peak(
      server,
      runLoad({ ...common, kind: 'streams-in', repository: 'bench/streams', size: hundredMegabytes }),
    )
    const goal = (value: number): Finding['goal'] =>
      peer.name === 'trow' ? { text: '≤ 350', met: value <= 350 } : undefined
    return [
      { name: 'memory with 200 streams of 100 MB out', unit: 'MB', value: out, goal: goal(out) },
      { name: 'memory with 200 streams of 100 MB in', unit: 'MB', value: into, goal: goal(into) },
    ]
  } finally {
    await server.stop()
  }
}

/** The most memory that the server took while `work` went on. */
async function peak(server: Server, work: Promise<unknown>): Promise<number> {
  let most = 0
  const timer = setInterval(() => (most = Math.max(most, residentMegabytes(server.pid))), 200)
  try {
    await work
  } finally {
    clearInterval(timer)
  }
  return most
}

async function startLarge(peer: Peer, tools: Tools): Promise<Finding[]> {
  const folder = join(tools.folder, 'data')
  const manifests = tools.quick ? 100 : 1000
  seedRows(folder, { repositories: 1000, manifests })
  const value = await medianStart(peer, tools, folder)
  const goal = { text: '≤ 1', met: value <= 1 }
  return [{ name: `start with ${(1000 * manifests).toLocaleString('en')} manifests`, unit: 's', value, goal }]
}

async function restart(peer: Peer, tools: Tools): Promise<Finding[]> {
  const folder = join(tools.folder, 'data')
  const count = tools.quick ? 200 : 1465
  const first = await peer.start({ ...tools, folder })
  try {
    await seedManyRepositories(first, count)
  } finally {
    await first.stop()
  }
  const value = await medianStart(peer, tools, folder)
  const name = `restart with ${count.toLocaleString('en')} repositories until a request is answered`
  return [fact(name, 's', value)]
}

async function medianStart(peer: Peer, tools: Tools, folder: string): Promise<number> {
  const seconds: number[] = []
  for (let round = 0; round < tools.rounds; round++) {
    const server = await peer.start({ ...tools, folder })
    seconds.push(server.startSeconds)
    await server.stop()
  }
  return median(seconds)
}

function fact(name: string, unit: string, value: number): Finding {
  return { name, unit, value, goal: undefined }
}
