import assert from 'node:assert/strict'
import { digestOf, type Answered, type Sender } from './guarded-registry.ts'

type Algorithm = 'sha256' | 'sha512'

export const indexType = 'application/vnd.oci.image.index.v1+json'
export const imageType = 'application/vnd.oci.image.manifest.v1+json'
export const configType = 'application/vnd.oci.image.config.v1+json'
export const layerType = 'application/vnd.oci.image.layer.v1.tar'

export interface Content {
  readonly bytes: Buffer
  /** The digest under which the content is stored. */
  readonly digest: string
  /** The SHA-256 digest of the same bytes, by which policies name them. */
  readonly sha256: string
  readonly mediaType: string
  readonly platform?: { readonly os: string; readonly architecture: string }
}

export function content(text: string, mediaType: string, algorithm: Algorithm = 'sha256'): Content {
  const bytes = Buffer.from(text)
  return { bytes, digest: digestOf(bytes, algorithm), sha256: digestOf(bytes), mediaType }
}

export function layer(text: string, algorithm: Algorithm = 'sha256'): Content {
  return content(text, layerType, algorithm)
}

export function config(architecture: string, algorithm: Algorithm = 'sha256', os = 'linux'): Content {
  return content(JSON.stringify({ os, architecture }), configType, algorithm)
}

/** All parts of one image or index, in push order. */
export interface Image extends Content {
  readonly blobs: readonly Content[]
  readonly children: readonly Image[]
}

export function image(
  blobs: readonly [config: Content, ...layers: Content[]],
  { algorithm = 'sha256', note = '' }: { algorithm?: Algorithm; note?: string } = {},
): Image {
  const [first, ...layers] = blobs
  const parts = { config: descriptor(first), layers: layers.map(descriptor), annotations: { note } }
  const text = JSON.stringify({ schemaVersion: 2, mediaType: imageType, ...parts })
  return { ...content(text, imageType, algorithm), blobs, children: [] }
}

export function index(
  children: readonly Image[],
  { algorithm = 'sha256', platforms = [] }: { algorithm?: Algorithm; platforms?: readonly string[] } = {},
): Image {
  const manifests = children.map((child, place) => {
    const [os, architecture] = platforms[place]?.split('/') ?? []
    return { ...descriptor(child), ...(os !== undefined && { platform: { os, architecture } }) }
  })
  const text = JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests })
  return { ...content(text, indexType, algorithm), blobs: [], children }
}

function descriptor({ mediaType, digest, bytes }: Content): object {
  return { mediaType, digest, size: bytes.byteLength }
}

export function pushBlob(to: Sender, repository: string, blob: Content): Promise<Answered> {
  return to.send('POST', `/v2/${repository}/blobs/uploads/?digest=${blob.digest}`, { body: blob.bytes })
}

/** Pushes only the manifest, without its parts. */
export function pushManifest(
  to: Sender,
  repository: string,
  { bytes, digest, mediaType }: Content,
  { tag, as = digest }: { readonly tag?: string; readonly as?: string } = {},
): Promise<Answered> {
  const path = `/v2/${repository}/manifests/${as}${tag === undefined ? '' : `?tag=${tag}`}`
  return to.send('PUT', path, { headers: { 'content-type': mediaType }, body: bytes })
}

/** All of it, and nothing of it is refused. */
export async function push(to: Sender, repository: string, whole: Image, tag?: string): Promise<void> {
  for (const blob of whole.blobs) assert.equal((await pushBlob(to, repository, blob)).status, 201)
  for (const child of whole.children) await push(to, repository, child)
  const pushed = await pushManifest(to, repository, whole, tag === undefined ? {} : { tag })
  assert.equal(pushed.status, 201, pushed.text)
}
