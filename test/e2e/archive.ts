import { createReadStream } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import tar from 'tar-stream'
import type { CanaryImage } from '../../src/oci/canary-image.ts'
import { parseDigest } from '../../src/oci/digest.ts'

/** Reads the image of an archive of `writeImageArchive` into memory. */
export async function readArchive(path: string): Promise<Omit<CanaryImage, 'repository' | 'tag'>> {
  const files = new Map<string, Buffer>()
  const entries = createReadStream(path).pipe(tar.extract())
  for await (const entry of entries) files.set(entry.header.name, await buffer(entry))
  const read = (name: string): Buffer => files.get(name) ?? Buffer.alloc(0)
  const { manifests } = JSON.parse(read('index.json').toString()) as {
    manifests: { digest: string; mediaType: string }[]
  }
  const [{ digest, mediaType }] = manifests as [{ digest: string; mediaType: string }]
  const blob = (name: string): Buffer => read(`blobs/${name.replace(':', '/')}`)
  const manifest = blob(digest)
  const { config, layers } = JSON.parse(manifest.toString()) as {
    config: { digest: string }
    layers: { digest: string }[]
  }
  const blobs = [config, ...layers].map((each) => ({
    digest: parseDigest(each.digest),
    content: blob(each.digest),
  }))
  return { digest: parseDigest(digest), mediaType, manifest, blobs }
}
