import { randomUUID } from 'node:crypto'
import { makeManifest, manifestType, type Content, type ContentMaker } from './content.ts'
import { headerOf, type Answer, type HttpConnection } from './http-connection.ts'

/** POST, then PUT with the whole body: what most clients do with a blob. */
export async function pushBlob(
  connection: HttpConnection,
  repository: string,
  content: Content,
): Promise<void> {
  const opened = await connection.request('POST', `/v2/${repository}/blobs/uploads/`)
  expectStatus(opened, 202, 'POST of an upload')
  const location = headerOf(opened.head, 'location')
  if (location === undefined) throw new Error('an upload without Location')
  const url = new URL(location, 'http://127.0.0.1')
  url.searchParams.set('digest', content.digest)
  const stored = await connection.request('PUT', `${url.pathname}${url.search}`, {
    headers: 'Content-Type: application/octet-stream\r\n',
    body: content.parts,
  })
  expectStatus(stored, 201, 'PUT of a blob')
}

export async function pushManifest(
  connection: HttpConnection,
  repository: string,
  reference: string,
  manifest: Content,
): Promise<void> {
  const stored = await connection.request('PUT', `/v2/${repository}/manifests/${reference}`, {
    headers: `Content-Type: ${manifestType}\r\n`,
    body: manifest.parts,
  })
  expectStatus(stored, 201, 'PUT of a manifest')
}

/** Takes a blob that another repository has: what clients do with the layers of a base image. */
export async function mountBlob(
  connection: HttpConnection,
  repository: string,
  { digest, from }: Base,
): Promise<void> {
  const path = `/v2/${repository}/blobs/uploads/?mount=${digest}&from=${from}`
  expectStatus(await connection.request('POST', path), 201, 'mount of a blob')
}

/** A layer and the repository that has it. */
export interface Base {
  readonly digest: string
  readonly size: number
  readonly from: string
}

export interface PushedImage {
  readonly config: Content
  readonly layer: Content
  readonly manifest: Content
}

export async function pushImage(
  connection: HttpConnection,
  {
    repository,
    tag,
    configs,
    layers,
    base,
  }: {
    readonly repository: string
    readonly tag: string
    readonly configs: ContentMaker
    readonly layers: ContentMaker
    /** Mounted before the rest is pushed. */
    readonly base?: Base | undefined
  },
): Promise<PushedImage> {
  if (base !== undefined) await mountBlob(connection, repository, base)
  const config = configs.next()
  const layer = layers.next()
  await pushBlob(connection, repository, config)
  await pushBlob(connection, repository, layer)
  const manifest = makeManifest(config, layer, randomUUID(), base === undefined ? [] : [base])
  await pushManifest(connection, repository, tag, manifest)
  return { config, layer, manifest }
}

function expectStatus(answer: Answer, status: number, what: string): void {
  if (answer.status === status) return
  throw new Error(`${what}: ${answer.head.split('\r\n', 1)[0]} ${answer.body.toString().slice(0, 300)}`)
}
