import { join } from 'node:path'
import { runLoad, runWrk } from './load.ts'
import type { Peer } from './peers.ts'
import { fact, median, type Finding, type Tools } from './row.ts'
import { seedRows } from './seed-rows.ts'
import type { Server } from './server.ts'

/** One repository of 100 manifests beside one of 100,000 in the same store, at random over all of them. */
export async function width(peer: Peer, tools: Tools): Promise<Finding[]> {
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
