import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runLoad } from './load.ts'
import type { Peer } from './peers.ts'
import { fact, median, type Finding, type Tools } from './row.ts'
import { oneMegabyte, seed } from './seed.ts'
import { seedRows } from './seed-rows.ts'
import type { Server } from './server.ts'

/**
 * Also asked of a second server of the same kind that has nothing else to do: what both cores being busy costs by itself,
 * below which no server gets here.
 */
export async function duringPushes(peer: Peer, tools: Tools): Promise<Finding[]> {
  const server = await peer.start({ ...tools, folder: join(tools.folder, 'data') })
  const beside = await peer.start({ ...tools, folder: join(tools.folder, 'beside') })
  try {
    const { manifestPath } = await seed(server, tools.folder)
    await seed(beside, tools.folder)
    const seconds = Math.max(4, tools.seconds)
    const calm: number[] = []
    const busy: number[] = []
    const idle: number[] = []
    for (let round = 0; round < tools.rounds; round++) {
      calm.push(await steadyGets(server, manifestPath, { rate: 500, seconds }))
      const pushes = runLoad({
        kind: 'images',
        target: server.target,
        connections: 8,
        seconds: 2 * seconds + 1,
        repository: 'bench/busy',
        configSize: 900,
        layerSize: oneMegabyte,
      })
      await new Promise((resolve) => setTimeout(resolve, 500))
      busy.push(await steadyGets(server, manifestPath, { rate: 500, seconds }))
      idle.push(await steadyGets(beside, manifestPath, { rate: 500, seconds }))
      await pushes
    }
    return [
      ...compareTails(calm, busy, {
        peer,
        label: 'p99 of manifest GET',
        state: 'while 8 push images',
        limit: 3,
      }),
      fact('… of an idle server beside it, meanwhile', 'ms', median(idle)),
    ]
  } finally {
    await server.stop()
    await beside.stop()
  }
}

/** Collections follow each other every second; a throttled fsck takes longer than the measurement. */
export async function duringMaintenance(peer: Peer, tools: Tools): Promise<Finding[]> {
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
