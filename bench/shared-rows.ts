import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runLoad, runWrk } from './load.ts'
import type { LoadJob } from './load-job.ts'
import type { SeededWidth } from './seed-database.ts'
import { configSize, hundredMegabytes, oneMegabyte } from './seed.ts'
import type { Server } from './server.ts'
import {
  farRoundTrip,
  workersOfThird,
  type Served,
  type ServerName,
  type SharedPlace,
} from './shared-place.ts'

/** What is measured, and what it is compared with: in turns. */
export interface SharedRow {
  readonly name: string
  readonly unit: string
  /** It pushes: what a turn left unflushed is written out before the next one. */
  readonly writes?: true
  readonly own: Way
  readonly others: readonly OtherWay[]
}

export interface Way {
  readonly label: string
  measure(place: SharedPlace, seconds: number): Promise<number>
}

export interface OtherWay extends Way {
  /** Least ratio of the row's own figure to this one. Undefined: there is none. */
  readonly goal: number | undefined
}

type Measure = (served: Served, seconds: number) => Promise<number>

const smallLayer = 10 * 1024
const titles: Readonly<Record<ServerName, string>> = {
  shared: 'PostgreSQL and S3',
  first: 'a first process',
  second: 'a second process',
  third: 'a third process',
  cached: 'from the disk cache',
  far: `PostgreSQL ${farRoundTrip} ms away`,
  widths: 'wide repositories',
  sqlite: 'SQLite and folder',
  distribution: 'Distribution on S3',
  remembering: 'Distribution on S3, its cache on',
}

export const sharedRows: readonly SharedRow[] = [
  row(
    'manifest GET by tag, 32 connections',
    'req/s',
    gets(32, ({ image }) => image.manifestPath),
    {
      distribution: 20,
      sqlite: 0.3,
    },
  ),
  row('blob HEAD, 32 connections', 'req/s', heads, {
    distribution: 20,
    remembering: undefined,
    sqlite: undefined,
  }),
  row(
    'config GET (900 B), 32 connections',
    'req/s',
    gets(32, ({ image }) => image.configPath),
    {
      distribution: 30,
      remembering: undefined,
      sqlite: undefined,
    },
  ),
  row(
    'tags n=100, 32 connections',
    'req/s',
    gets(32, ({ tags }) => `/v2/${tags.name}/tags/list?n=100`),
    {
      distribution: 50,
      sqlite: undefined,
    },
  ),
  row(
    'blob GET 1 MB, 8 connections',
    'MB/s',
    bodies(({ image }) => image.layerPath),
    { distribution: 3 },
  ),
  row(
    'blob GET 1 MB, 8 connections, cached',
    'MB/s',
    bodies(({ image }) => image.layerPath),
    { distribution: undefined, sqlite: undefined },
    'cached',
  ),
  row(
    'blob GET 100 MB, 8 connections',
    'MB/s',
    bodies(({ image }) => image.largePath),
    { distribution: 0.5, remembering: undefined },
  ),
  row(
    'blob GET 100 MB, 8 connections, cached',
    'MB/s',
    bodies(({ image }) => image.largePath),
    { distribution: 1.5, sqlite: undefined },
    'cached',
  ),
  pushes('push 1 MB, 8 at once', 'MB/s', blobs(oneMegabyte, 8), { distribution: 3 }),
  pushes('push 100 MB, one', 'MB/s', blobs(hundredMegabytes, 1), { distribution: 1.6 }),
  pushes('images of 900 B + 1 MB + manifest, 8 at once', '/s', images(8, oneMegabyte), { distribution: 3 }),
  pushes('small images of 900 B + 10 KiB + manifest, 8 at once', '/s', images(8, smallLayer), {
    distribution: 10,
    sqlite: undefined,
  }),
  pushes('small images, 32 at once', '/s', images(32, smallLayer), { sqlite: 0.15 }),
  {
    name: 'small images, 32 at once into one repository',
    unit: '/s',
    writes: true,
    own: way('shared', 'one repository', images(32, smallLayer)),
    others: [{ ...way('shared', 'one each', images(32, smallLayer, { apart: true })), goal: 0.5 }],
  },
  {
    name: 'small images, 32 at once into repositories of their own, on a base layer',
    unit: '/s',
    writes: true,
    own: way('shared', 'one base layer for all', images(32, smallLayer, { apart: true, base: 'shared' })),
    others: [
      { ...way('shared', 'one each', images(32, smallLayer, { apart: true, base: 'own' })), goal: 0.5 },
    ],
  },
  {
    name: 'small images, 32 at once, far from the database',
    unit: '/s',
    writes: true,
    own: way('far', titles.far, images(32, smallLayer)),
    others: [{ ...way('shared', 'on loopback', images(32, smallLayer)), goal: 0.5 }],
  },
  replicas('manifest GET by tag, 33 connections', 'req/s', async ({ server, image }, seconds) => {
    const result = await runWrk({ url: server.url + image.manifestPath, connections: 11, seconds })
    return result.requestsPerSecond
  }),
  { ...replicas('small images, 33 at once', '/s', images(11, smallLayer)), writes: true },
  widths('manifest GET by tag, at random', 'req/s', async ({ server, seconds, folder }, width) => {
    const pathsFile = fileOf(folder, width.manifestPaths)
    return (await runWrk({ url: server.url, connections: 32, seconds, pathsFile })).requestsPerSecond
  }),
  widths('blob HEAD, at random', 'req/s', async ({ server, seconds, folder }, width) => {
    const paths = { kind: 'list', file: fileOf(folder, width.blobPaths) } as const
    return perSecond(server, { kind: 'requests', method: 'HEAD', connections: 32, seconds, paths })
  }),
  {
    ...widths('manifest push, 8 at once', '/s', ({ server, seconds }, { repository, config, layer }) =>
      perSecond(server, { kind: 'manifests', connections: 8, seconds, repository, config, layer }),
    ),
    writes: true,
  },
]

function row(
  name: string,
  unit: string,
  measure: Measure,
  goals: Partial<Record<ServerName, number | undefined>>,
  own: ServerName = 'shared',
): SharedRow {
  const others = Object.entries(goals) as [ServerName, number | undefined][]
  return {
    name,
    unit,
    own: way(own, titles[own], measure),
    others: others.map(([server, goal]) => ({ ...way(server, titles[server], measure), goal })),
  }
}

function pushes(...row_: Parameters<typeof row>): SharedRow {
  return { ...row(...row_), writes: true }
}

function way(server: ServerName, label: string, measure: Measure): Way {
  return { label, measure: async (place, seconds) => measure(await place.served(server), seconds) }
}

/** Three processes that share the cores, each under a third of the load, beside one under all of it. */
function replicas(name: string, unit: string, third: Measure): SharedRow {
  const of = (label: string, servers: readonly ServerName[]): Way => ({
    label,
    async measure(place, seconds) {
      const all = []
      for (const server of servers) all.push(await place.served(server))
      const figures = await Promise.all(all.map((served) => third(served, seconds)))
      return figures.reduce((sum, figure) => sum + figure, 0)
    },
  })
  return {
    name,
    unit,
    own: of(`3 processes, workers of each: ${workersOfThird}`, ['first', 'second', 'third']),
    others: [{ ...of('1 process', ['shared', 'shared', 'shared']), goal: 0.85 }],
  }
}

interface WidthSubject {
  readonly server: Server
  readonly seconds: number
  readonly folder: string
}

function widths(
  name: string,
  unit: string,
  measure: (subject: WidthSubject, width: SeededWidth) => Promise<number>,
): SharedRow {
  const of = (label: string, which: 'wide' | 'narrow'): Way => ({
    label,
    async measure(place, seconds) {
      const width = (await place.widths())[which]
      return measure({ server: await place.server('widths'), seconds, folder: place.folder }, width)
    },
  })
  return {
    name: `${name}, in wide repositories`,
    unit,
    own: of('a repository of 100,000 manifests', 'wide'),
    others: [{ ...of('repositories of 10', 'narrow'), goal: 0.85 }],
  }
}

function gets(connections: number, path: (served: Served) => string): Measure {
  return async (served, seconds) => {
    const result = await runWrk({ url: served.server.url + path(served), connections, seconds })
    return result.requestsPerSecond
  }
}

function bodies(path: (served: Served) => string): Measure {
  return async (served, seconds) => {
    const result = await runWrk({ url: served.server.url + path(served), connections: 8, seconds })
    return result.megabytesPerSecond
  }
}

function heads({ server, image }: Served, seconds: number): Promise<number> {
  const paths = { kind: 'one', path: image.layerPath } as const
  return perSecond(server, { kind: 'requests', method: 'HEAD', connections: 32, seconds, paths })
}

function blobs(size: number, connections: number): Measure {
  return async ({ server }, seconds) => {
    const { target } = server
    const job = { kind: 'blobs', target, connections, seconds, repository: 'bench/pushed', size } as const
    const result = await runLoad(job)
    return result.bytes / 1e6 / result.seconds
  }
}

function images(
  connections: number,
  layerSize: number,
  more: { readonly apart?: true; readonly base?: 'shared' | 'own' } = {},
): Measure {
  const repository = more.apart === true ? 'bench/apart' : 'bench/images'
  return ({ server }, seconds) =>
    perSecond(server, { kind: 'images', connections, seconds, repository, configSize, layerSize, ...more })
}

type Untargeted<Job> = Job extends unknown ? Omit<Job, 'target'> : never

async function perSecond({ target }: Server, job: Untargeted<LoadJob>): Promise<number> {
  const result = await runLoad({ ...job, target })
  return result.done / result.seconds
}

function fileOf(folder: string, paths: readonly string[]): string {
  const file = join(folder, 'paths')
  writeFileSync(file, paths.join('\n'))
  return file
}
