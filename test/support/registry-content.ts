import { createHash, randomBytes } from 'node:crypto'

const oci = 'application/vnd.oci.image'
export const manifestType = `${oci}.manifest.v1+json`
export const indexType = `${oci}.index.v1+json`

export interface PushedDescriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

async function send(
  method: string,
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  type: string,
): Promise<Response> {
  const answer = await fetch(url, { method, body, headers: { 'content-type': type } })
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`)
  return answer
}

export async function putBlob(base: string, repository: string, bytes: Buffer): Promise<PushedDescriptor> {
  const digest = sha256(bytes)
  const begun = await send('POST', `${base}/v2/${repository}/blobs/uploads/`, '', 'application/octet-stream')
  const url = new URL(begun.headers.get('location') ?? '', base)
  url.searchParams.set('digest', digest)
  await send('PUT', url.href, new Uint8Array(bytes), 'application/octet-stream')
  return { mediaType: `${oci}.layer.v1.tar`, digest, size: bytes.length }
}

export async function putManifest(
  base: string,
  repository: string,
  content: { readonly mediaType: string; readonly [field: string]: unknown },
  tag?: string,
): Promise<PushedDescriptor> {
  const body = Buffer.from(JSON.stringify(content))
  const digest = sha256(body)
  await send('PUT', `${base}/v2/${repository}/manifests/${tag ?? digest}`, body.toString(), content.mediaType)
  return { mediaType: content.mediaType, digest, size: body.length }
}

/** An image with a config for a platform and layers of random bytes. */
export async function putImage(
  base: string,
  repository: string,
  {
    platform = { os: 'linux', architecture: 'amd64' },
    layers = [1000],
    subject,
    tag,
  }: {
    readonly platform?: Readonly<Record<string, string>>
    readonly layers?: readonly number[]
    readonly subject?: PushedDescriptor
    readonly tag?: string
  } = {},
): Promise<PushedDescriptor> {
  const bytes = Buffer.from(JSON.stringify({ ...platform, salt: randomBytes(8).toString('hex') }))
  const config = { ...(await putBlob(base, repository, bytes)), mediaType: `${oci}.config.v1+json` }
  const blobs: PushedDescriptor[] = []
  for (const size of layers) blobs.push(await putBlob(base, repository, randomBytes(size)))
  const content = { schemaVersion: 2, mediaType: manifestType, config, layers: blobs }
  return putManifest(base, repository, subject === undefined ? content : { ...content, subject }, tag)
}

export const platforms = [
  { os: 'linux', architecture: 'amd64' },
  { os: 'linux', architecture: 'arm64' },
  { os: 'linux', architecture: 'arm', variant: 'v7' },
] as const

/** An index of three platforms. */
export async function putIndex(
  base: string,
  repository: string,
  tag: string,
  layers: readonly number[] = [1000, 2000],
): Promise<{ readonly index: PushedDescriptor; readonly children: readonly PushedDescriptor[] }> {
  const children: PushedDescriptor[] = []
  for (const platform of platforms) children.push(await putImage(base, repository, { platform, layers }))
  const manifests = children.map((child, place) => ({ ...child, platform: platforms[place] }))
  const content = { schemaVersion: 2, mediaType: indexType, manifests }
  const index = await putManifest(base, repository, content, tag)
  return { index, children }
}

/** Returns the digest of every manifest and blob below a reference; throws if a byte of it is not there. */
export async function digestsBelow(base: string, repository: string, reference: string): Promise<string[]> {
  const answer = await fetch(`${base}/v2/${repository}/manifests/${reference}`, {
    headers: { accept: `${indexType}, ${manifestType}` },
  })
  if (!answer.ok) throw new Error(`${base}/${repository} ${reference}: ${answer.status}`)
  const body = Buffer.from(await answer.arrayBuffer())
  const { config, layers = [], manifests = [] } = JSON.parse(body.toString()) as Record<string, PushedDescriptor[]> & { config?: PushedDescriptor } // prettier-ignore
  const found = [sha256(body)]
  for (const { digest } of [...(config === undefined ? [] : [config]), ...layers]) {
    const blob = await fetch(`${base}/v2/${repository}/blobs/${digest}`)
    if (!blob.ok) throw new Error(`${base}/${repository} ${digest}: ${blob.status}`)
    found.push(sha256(Buffer.from(await blob.arrayBuffer())))
  }
  for (const { digest } of manifests) found.push(...(await digestsBelow(base, repository, digest)))
  return found
}

export async function referrersOf(base: string, repository: string, subject: string): Promise<string[]> {
  const answer = await fetch(`${base}/v2/${repository}/referrers/${subject}`)
  if (answer.status === 404) return []
  const { manifests } = (await answer.json()) as { manifests: PushedDescriptor[] }
  return manifests.map(({ digest }) => digest)
}
