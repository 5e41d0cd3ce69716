import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import type { RegistryPusher } from '../upstream/registry-pusher.ts'
import { blobsOf, type Blob, type Image } from './image.ts'

/**
 * Sends what the registry does not have: layers and configs, then the platforms' manifests by digest, then
 * the index under the reference. Its errors are those of RegistryPusher.
 */
export async function pushImage(
  image: Image,
  {
    pusher,
    repository,
    reference,
    report,
  }: {
    readonly pusher: RegistryPusher
    readonly repository: RepositoryName
    readonly reference: Reference
    report(blob: Blob, outcome: 'there' | 'mounted' | 'pushed'): void
  },
): Promise<void> {
  const manifests = image.platforms.map(({ manifest }) => manifest)
  const described = new Set([image.index, ...manifests].map(({ digest }) => digest))
  for (const blob of blobsOf(image)) {
    if (described.has(blob.digest)) continue
    const { digest, size } = blob
    const open = (offset: number): AsyncIterable<Uint8Array> =>
      'content' in blob
        ? Readable.from([blob.content.subarray(offset)])
        : createReadStream(blob.path, { start: offset })
    report(blob, await pusher.pushBlob(repository, { digest, size, open }))
  }
  for (const { digest, mediaType, content } of manifests)
    await pusher.pushManifest(repository, digest, { mediaType, body: content })
  const { mediaType, content } = image.index
  await pusher.pushManifest(repository, reference, { mediaType, body: content })
}
