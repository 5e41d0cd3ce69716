import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { Writable } from 'node:stream'
import tar from 'tar-stream'
import { blobsOf, descriptorOf, type Image, type PlatformImage } from './image.ts'

/**
 * Writes one tar that `ctr images import`, `skopeo copy oci-archive:` and `docker load` accept: an OCI layout
 * (image-spec "image-layout.md") and a manifest.json for Docker's classic store. That store does not know
 * platforms, so that manifest.json lists one image.
 */
export async function writeImageArchive(
  image: Image,
  {
    name,
    docker,
    target,
    written,
  }: {
    readonly name: string
    readonly docker: PlatformImage
    readonly target: Writable
    /** Called with the bytes of each chunk. */
    readonly written?: (bytes: number) => void
  },
): Promise<void> {
  const pack = tar.pack()
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of pack) {
      written?.((chunk as Uint8Array).byteLength)
      yield chunk as Uint8Array
    }
  }
  const writing = pipeline(counted(), target)
  const adding = add(pack, image, name, docker)
  adding.catch((error: Error) => pack.destroy(error))
  await Promise.all([writing, adding])
}

async function add(pack: tar.Pack, image: Image, name: string, docker: PlatformImage): Promise<void> {
  const fixed = { mtime: new Date(0), uid: 0, gid: 0, mode: 0o644 }
  const small = (path: string, value: unknown): void =>
    void pack.entry({ ...fixed, name: path }, Buffer.from(JSON.stringify(value)))
  small('oci-layout', { imageLayoutVersion: '1.0.0' })
  small('index.json', {
    schemaVersion: 2,
    manifests: [
      {
        ...descriptorOf(image.index),
        annotations: {
          'io.containerd.image.name': name,
          'org.opencontainers.image.ref.name': /:([^:/]+)$/.exec(name)?.[1] ?? 'latest',
        },
      },
    ],
  })
  const place = (digest: string): string => `blobs/${digest.replace(':', '/')}`
  small('manifest.json', [
    {
      Config: place(docker.config.digest),
      RepoTags: [name],
      Layers: docker.layers.map(({ digest }) => place(digest)),
    },
  ])
  for (const blob of blobsOf(image)) {
    const header = { ...fixed, name: place(blob.digest), size: blob.size }
    if ('content' in blob) pack.entry(header, blob.content)
    else await pipeline(createReadStream(blob.path), pack.entry(header))
  }
  pack.finalize()
}
