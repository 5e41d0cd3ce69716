import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { Writable } from 'node:stream'
import tar from 'tar-stream'
import { blobsOf, descriptorOf, type Image, type PlatformImage } from './image.ts'

/**
 * Writes one tar that `ctr images import`, `skopeo copy oci-archive:` and `docker load` take: an OCI layout (image-spec
 * "image-layout.md"), and the manifest.json that Docker's classic store wants, which knows no platforms and is told
 * one image.
 */
export async function writeImageArchive(
  image: Image,
  {
    name,
    docker,
    target,
  }: { readonly name: string; readonly docker: PlatformImage; readonly target: Writable },
): Promise<void> {
  const pack = tar.pack()
  const writing = pipeline(pack, target)
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
