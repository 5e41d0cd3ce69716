import { setTimeout as sleep } from 'node:timers/promises'
import { runLoad } from './load.ts'
import { fact, type Finding } from './row.ts'
import { hundredMegabytes } from './seed.ts'
import { residentMegabytes, type Server } from './server.ts'
import type { SharedPlace } from './shared-place.ts'
import { connectionsTo } from './sockets.ts'

const streams = 200
const mostMegabytes = 400

/** Memory and connections of one process that has just been started, at rest and with streams of 100 MB. */
export async function sharedFacts(place: SharedPlace, quick: boolean): Promise<readonly Finding[]> {
  const { image } = await place.served('shared')
  const server = await place.startReplica('streams')
  try {
    await sleep(quick ? 2000 : 10_000)
    const rest = residentMegabytes(server.pid, 'Rss')
    const common = { target: server.target, connections: streams, seconds: quick ? 4 : 10 } as const
    const out = await peaks(place, server, runLoad({ ...common, kind: 'streams-out', path: image.largePath }))
    const size = hundredMegabytes
    const into = await peaks(
      place,
      server,
      runLoad({ ...common, kind: 'streams-in', repository: 'bench/streams', size }),
    )
    return [
      fact('memory at rest', 'MB', rest),
      memory(`memory with ${streams} streams of 100 MB out`, out.memory),
      memory(`memory with ${streams} streams of 100 MB in`, into.memory),
      fact('connections to PostgreSQL meanwhile', '', Math.max(out.postgres, into.postgres)),
      fact('connections to S3, streams out', '', out.s3),
      fact('connections to S3, streams in', '', into.s3),
    ]
  } finally {
    await server.stop()
  }
}

function memory(name: string, value: number): Finding {
  return {
    name,
    unit: 'MB',
    value,
    goal: { text: `≤ ${mostMegabytes}`, met: value <= mostMegabytes },
  }
}

/** The most that was seen while `work` went on. */
async function peaks(
  { postgres, s3 }: SharedPlace,
  { pid }: Server,
  work: Promise<unknown>,
): Promise<Record<'memory' | 'postgres' | 's3', number>> {
  const most = { memory: 0, postgres: 0, s3: 0 }
  const timer = setInterval(() => {
    most.memory = Math.max(most.memory, residentMegabytes(pid, 'Rss'))
    most.postgres = Math.max(most.postgres, connectionsTo(pid, postgres.port))
    most.s3 = Math.max(most.s3, connectionsTo(pid, s3.port))
  }, 250)
  try {
    await work
  } finally {
    clearInterval(timer)
  }
  return most
}
