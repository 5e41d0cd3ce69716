import { runLoad, runWrk } from './load.ts'
import type { PathChoice } from './load-job.ts'
import type { Goals, Row, Subject } from './row.ts'
import { configSize, hundredMegabytes, oneMegabyte, tagName, type SeededRepository } from './seed.ts'

const small: Goals = { 'bare-node': 0.85, distribution: 5 }
const large: Goals = { 'bare-node': 0.85, distribution: 1 }
const push: Goals = { 'bare-node': 0.85, distribution: 2 }
const smallImages: Goals = { 'bare-node': 0.85, distribution: 5 }
const smallLayer = 10 * 1024

/** The rows that every peer runs. */
export const rows: readonly Row[] = [
  requests('manifest GET by tag, 32 connections', small, ({ seeded }) => ({ path: seeded.manifestPath })),
  heads('blob HEAD', small, ({ seeded }) => ({ kind: 'one', path: seeded.layerPath })),
  requests('config GET (900 B)', small, ({ seeded }) => ({ path: seeded.configPath })),
  bodies('blob GET 1 MB, 8 connections', { 'bare-node': 0.85 }, ({ seeded }) => seeded.layerPath),
  bodies('blob GET 100 MB, 8 connections', large, ({ seeded }) => seeded.largePath),
  ...repositoryRows('100 manifests', ({ seeded }) => seeded.narrow),
  ...repositoryRows('1,000 manifests', ({ seeded }) => seeded.wide),
  {
    name: 'push 1 MB, 8 at once',
    unit: 'MB/s',
    goals: push,
    writes: true,
    measure: (subject) => pushBlobs(subject, oneMegabyte, 8),
  },
  {
    name: 'push 100 MB, one',
    unit: 'MB/s',
    goals: push,
    writes: true,
    measure: (subject) => pushBlobs(subject, hundredMegabytes, 1),
  },
  images('images of 900 B + 1 MB + manifest, 8 at once', push, oneMegabyte),
  images('small images of 900 B + 10 KiB + manifest, 8 at once', smallImages, smallLayer),
]

function repositoryRows(size: string, pick: (subject: Subject) => SeededRepository): Row[] {
  const label = `repository of ${size}:`
  return [
    requests(`${label} manifest GET`, small, (subject) => ({
      path: '/',
      pathsFile: pick(subject).manifestPaths,
    })),
    heads(`${label} blob HEAD`, small, (subject) => ({ kind: 'list', file: pick(subject).blobPaths })),
    requests(`${label} tags n=100`, small, (subject) => {
      const { name, tags } = pick(subject)
      const from = tags > 100 ? `&last=${tagName(tags >> 1)}` : ''
      return { path: `/v2/${name}/tags/list?n=100${from}` }
    }),
    {
      name: `${label} manifest push, 8 at once`,
      unit: '/s',
      goals: push,
      writes: true,
      async measure(subject) {
        const { name, config, layer } = pick(subject)
        const { target } = subject.server
        const result = await runLoad({
          kind: 'manifests',
          target,
          connections: 8,
          seconds: Math.min(subject.seconds, 2),
          repository: name,
          config,
          layer,
        })
        return result.done / result.seconds
      },
    },
  ]
}

function requests(
  name: string,
  goals: Goals,
  what: (subject: Subject) => { readonly path: string; readonly pathsFile?: string },
): Row {
  return {
    name,
    unit: 'req/s',
    goals,
    async measure(subject) {
      const { path, ...paths } = what(subject)
      const { server, seconds } = subject
      const result = await runWrk({ url: server.url + path, connections: 32, seconds, ...paths })
      return result.requestsPerSecond
    },
  }
}

function heads(name: string, goals: Goals, paths: (subject: Subject) => PathChoice): Row {
  return {
    name,
    unit: 'req/s',
    goals,
    async measure(subject) {
      const { target } = subject.server
      const { seconds } = subject
      const result = await runLoad({
        kind: 'requests',
        method: 'HEAD',
        target,
        connections: 32,
        seconds,
        paths: paths(subject),
      })
      return result.done / result.seconds
    },
  }
}

function bodies(name: string, goals: Goals, path: (subject: Subject) => string): Row {
  return {
    name,
    unit: 'MB/s',
    goals,
    async measure(subject) {
      const { server, seconds } = subject
      const result = await runWrk({ url: server.url + path(subject), connections: 8, seconds })
      return result.megabytesPerSecond
    },
  }
}

async function pushBlobs({ server, seconds }: Subject, size: number, connections: number): Promise<number> {
  const { target } = server
  const result = await runLoad({
    kind: 'blobs',
    target,
    connections,
    seconds,
    repository: 'bench/pushed',
    size,
  })
  return result.bytes / 1e6 / result.seconds
}

function images(name: string, goals: Goals, layerSize: number): Row {
  return {
    name,
    unit: '/s',
    goals,
    writes: true,
    async measure({ server, seconds }) {
      const { target } = server
      const repository = 'bench/images'
      const result = await runLoad({
        kind: 'images',
        target,
        connections: 8,
        seconds,
        repository,
        configSize,
        layerSize,
      })
      return result.done / result.seconds
    },
  }
}
