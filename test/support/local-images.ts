import { createCipheriv, createHash } from 'node:crypto'
import { createWriteStream, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

export interface WrittenImage {
  readonly folder: string
  /** Of its manifest. */
  readonly digest: string
  readonly layers: readonly { readonly digest: string; readonly size: number }[]
}

const oci = 'application/vnd.oci.image'

/** An OCI layout with layers of these sizes in bytes, of bytes that nothing compresses and that `seed` decides. */
export async function writeLayout(
  folder: string,
  sizes: readonly number[],
  { seed = 'image', name }: { readonly seed?: string; readonly name?: string } = {},
): Promise<WrittenImage> {
  const blobs = join(folder, 'blobs', 'sha256')
  mkdirSync(blobs, { recursive: true })
  const layers: { digest: string; size: number }[] = []
  for (const [index, size] of sizes.entries()) {
    const path = join(blobs, `layer-${index}`)
    const hash = createHash('sha256')
    await pipeline(
      Readable.from(noise(`${seed}-${index}`, size, (chunk) => hash.update(chunk))),
      createWriteStream(path),
    )
    const hex = hash.digest('hex')
    renameSync(path, join(blobs, hex))
    layers.push({ digest: `sha256:${hex}`, size })
  }
  const keep = (content: object): { readonly digest: string; readonly size: number } => {
    const bytes = Buffer.from(JSON.stringify(content))
    const hex = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(blobs, hex), bytes)
    return { digest: `sha256:${hex}`, size: bytes.length }
  }
  const config = keep({
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  })
  const manifest = keep({
    schemaVersion: 2,
    mediaType: `${oci}.manifest.v1+json`,
    config: { mediaType: `${oci}.config.v1+json`, ...config },
    layers: layers.map((layer) => ({ mediaType: `${oci}.layer.v1.tar`, ...layer })),
  })
  const annotations = name === undefined ? {} : { annotations: { 'io.containerd.image.name': name } }
  const manifests = [{ mediaType: `${oci}.manifest.v1+json`, ...manifest, ...annotations }]
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
  return { folder, digest: manifest.digest, layers }
}

function* noise(seed: string, size: number, seen: (chunk: Buffer) => void): Generator<Buffer> {
  const key = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  const zeros = Buffer.alloc(1024 * 1024)
  for (let left = size; left > 0; left -= zeros.length) {
    const chunk = cipher.update(left < zeros.length ? zeros.subarray(0, left) : zeros)
    seen(chunk)
    yield chunk
  }
}
