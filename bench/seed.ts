import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ContentMaker, makeManifest, type Content } from './content.ts'
import { HttpConnection } from './http-connection.ts'
import { pushBlob, pushImage, pushManifest } from './push.ts'
import type { Server } from './server.ts'

export const configSize = 900
export const oneMegabyte = 1_000_000
export const hundredMegabytes = 100_000_000
export const narrowTags = 100
export const wideTags = 1000

/** What the rows use, pushed through the server's own API. */
export interface Seeded {
  readonly manifestPath: string
  readonly configPath: string
  readonly layerPath: string
  readonly largePath: string
  readonly narrow: SeededRepository
  readonly wide: SeededRepository
}

/** A repository with many manifests, one tag each; all share their layer, each has a config of its own. */
export interface SeededRepository {
  readonly name: string
  readonly tags: number
  readonly config: Pick<Content, 'digest' | 'size'>
  readonly layer: Pick<Content, 'digest' | 'size'>
  /** Files with one path a line. */
  readonly manifestPaths: string
  readonly blobPaths: string
}

export async function seed(server: Server, folder: string): Promise<Seeded> {
  return {
    ...(await seedImage(server)),
    narrow: await seedRepository(server, folder, 'bench/narrow', narrowTags),
    wide: await seedRepository(server, folder, 'bench/wide', wideTags),
  }
}

export type SeededImage = Pick<Seeded, 'manifestPath' | 'configPath' | 'layerPath' | 'largePath'>

/** One image with a layer of 1 MB, and a blob of 100 MB. */
export async function seedImage(server: Server): Promise<SeededImage> {
  const connection = await HttpConnection.open(server.target)
  const image = await pushImage(connection, {
    repository: 'bench/image',
    tag: 'latest',
    configs: new ContentMaker(configSize),
    layers: new ContentMaker(oneMegabyte),
  })
  const large = new ContentMaker(hundredMegabytes).next()
  await pushBlob(connection, 'bench/image', large)
  connection.close()
  return {
    manifestPath: '/v2/bench/image/manifests/latest',
    configPath: `/v2/bench/image/blobs/${image.config.digest}`,
    layerPath: `/v2/bench/image/blobs/${image.layer.digest}`,
    largePath: `/v2/bench/image/blobs/${large.digest}`,
  }
}

export async function seedRepository(
  server: Server,
  folder: string,
  name: string,
  tags: number,
): Promise<SeededRepository> {
  const layer = new ContentMaker(oneMegabyte).next()
  const configs = new ContentMaker(configSize)
  const all: Content[] = []
  const manifests: string[] = []
  let begun = 0
  const first = await HttpConnection.open(server.target)
  await pushBlob(first, name, layer)
  first.close()
  await inParallel(server, 8, async (connection) => {
    while (begun < tags) {
      const tag = tagName(begun++)
      const config = configs.next()
      await pushBlob(connection, name, config)
      await pushManifest(connection, name, tag, makeManifest(config, layer, randomUUID()))
      all.push(config)
      manifests.push(`/v2/${name}/manifests/${tag}`)
    }
  })
  const file = (kind: string, lines: readonly string[]): string => {
    const path = join(folder, `${randomUUID()}-${kind}`)
    writeFileSync(path, lines.join('\n'))
    return path
  }
  return {
    name,
    tags,
    config: all[0] as Content,
    layer,
    manifestPaths: file('manifests', manifests),
    blobPaths: file(
      'blobs',
      all.map((config) => `/v2/${name}/blobs/${config.digest}`),
    ),
  }
}

/** Many repositories with one small image each. */
export async function seedManyRepositories(server: Server, count: number): Promise<void> {
  const configs = new ContentMaker(configSize)
  const layers = new ContentMaker(10 * 1024)
  let begun = 0
  await inParallel(server, 8, async (connection) => {
    while (begun < count) {
      const repository = `many/repository-${begun++}`
      await pushImage(connection, { repository, tag: 'latest', configs, layers })
    }
  })
}

export function tagName(index: number): string {
  return `v${String(index).padStart(6, '0')}`
}

async function inParallel(
  server: Server,
  count: number,
  work: (connection: HttpConnection) => Promise<void>,
): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      const connection = await HttpConnection.open(server.target)
      try {
        await work(connection)
      } finally {
        connection.close()
      }
    }),
  )
}
