import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runLoad, runWrk } from './load.ts'
import { accessRows } from './access-rows.ts'
import type { Peer } from './peers.ts'
import { fact, median, type Finding, type SpecialRow, type Tools } from './row.ts'
import { hundredMegabytes, seed, seedManyRepositories } from './seed.ts'
import { seedRows } from './seed-rows.ts'
import { residentMegabytes, type Server } from './server.ts'
import { duringMaintenance, duringPushes } from './tail-rows.ts'
import { width } from './width-row.ts'

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
  {
    name: 'memory at rest and with 200 streams',
    peers: ['trow', 'bare-node', 'distribution'],
    measure: memory,
  },
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

async function memory(peer: Peer, tools: Tools): Promise<Finding[]> {
  const server = await peer.start({ ...tools, folder: join(tools.folder, 'data') })
  try {
    await sleep(tools.quick ? 2000 : 10_000)
    const rest = residentMegabytes(server.pid)
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
      fact('memory at rest', 'MB', rest),
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
