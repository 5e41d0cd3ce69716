import type { Digest } from '../oci/digest.ts'
import { rootOf, type PulledImage } from './pulled-image.ts'

/** The content of the file `oci-layout` (image-spec "image-layout.md"). */
export const layoutMark = '{"imageLayoutVersion":"1.0.0"}'

/** Returns the path of a blob in a layout. */
export function placeOf(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`
}

/** Returns the entry of index.json. containerd reads the whole name, podman and skopeo the tag. */
export function entryOf(image: PulledImage): object {
  const { mediaType, digest, body } = rootOf(image)
  return {
    mediaType,
    digest,
    size: body.byteLength,
    annotations: {
      'io.containerd.image.name': image.name,
      ...(image.tag === undefined ? {} : { 'org.opencontainers.image.ref.name': image.tag }),
    },
  }
}
