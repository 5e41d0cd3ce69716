import { createHash, randomBytes } from 'node:crypto'

/** Manifests that are as large as they may be, and what they are pushed with. */
export const imageType = 'application/vnd.oci.image.manifest.v1+json'
export const indexType = 'application/vnd.oci.image.index.v1+json'
/** Nobody has to push what is of this type. */
export const foreign = 'application/vnd.docker.image.rootfs.foreign.x'
export const megabyte = 1024 * 1024

export const layers = Array.from({ length: 10_000 }, () => digestOf(randomBytes(8)))
export const subject = digestOf(Buffer.from('subject'))
export const tagged = image({ annotations: { tagged: 'often' } })

/** A registry, and as whom it is spoken to. */
export interface Spoken {
  readonly url: string
  /** An Authorization header. */
  readonly authorization?: string
}

export function send(
  { url, authorization }: Spoken,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const headers = new Headers(init.headers)
  if (authorization !== undefined) headers.set('Authorization', authorization)
  return fetch(url + path, { ...init, headers })
}

export function put(
  to: Spoken,
  repository: string,
  reference: string,
  body: string,
  type = imageType,
): Promise<Response> {
  const headers = { 'Content-Type': type }
  return send(to, `/v2/${repository}/manifests/${reference}`, { method: 'PUT', body, headers })
}

/** 12,000 tags of one manifest in repository `tags`. */
export async function putTags(to: Spoken): Promise<void> {
  for (let first = 0; first < 12_000; first += 100) {
    const tags = Array.from(
      { length: 100 },
      (_, each) => `tag=t${String(first + each).padStart(6, '0')}`,
    ).join('&')
    await put(to, 'tags', `${digestOf(Buffer.from(tagged))}?${tags}`, tagged)
  }
}

/** 20 referrers of 2 MiB in repository `referrers`. */
export async function putReferrers(to: Spoken): Promise<void> {
  for (let each = 0; each < 20; each++) {
    const annotations = { each: `${each} `.padEnd(2 * megabyte, 'a') }
    const referrer = image({ artifactType: 'a/b', subject: descriptor(subject, imageType), annotations })
    await put(to, 'referrers', digestOf(Buffer.from(referrer)), referrer)
  }
}

export function image(fields: object): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: imageType,
    config: descriptor(digestOf(Buffer.from('config')), foreign),
    layers: [],
    ...fields,
  })
}

export function index(manifests: readonly object[]): string {
  return JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests })
}

export function descriptor(digest: string, mediaType: string): object {
  return { mediaType, digest, size: 1 }
}

export function digestOf(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}
