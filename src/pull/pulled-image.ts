import { parseManifest, type Manifest } from '../oci/manifest.ts'
import { isIndexType } from '../oci/media-types.ts'
import type { LocalManifest } from '../push/local-image.ts'
import type { RemoteImage } from '../push/remote-image.ts'
import type { Platform } from '../push/select-platform.ts'

/** An image of a registry that is to be written somewhere. */
export interface PulledImage extends RemoteImage {
  /** As engines call it: `registry.example.com/team/app:1`, or `…@sha256:…`. */
  readonly name: string
  /** `undefined` if it was named by its digest. */
  readonly tag: string | undefined
}

/** The manifest that the image's name means, which comes last. */
export function rootOf({ digest, manifests }: RemoteImage): LocalManifest {
  const root = manifests.at(-1)
  if (root === undefined) throw new TypeError(`${digest} has no manifest`)
  return root
}

/**
 * Returns the one image that an archive of docker's form can hold: the only one there is, else that of the
 * platform. `undefined` if there is none.
 */
export function oneImage(image: RemoteImage, platform: Platform): LocalManifest | undefined {
  const images = image.manifests.filter(({ mediaType }) => !isIndexType(mediaType))
  if (images.length === 1) return images[0]
  const wanted = image.manifests
    .filter(({ mediaType }) => isIndexType(mediaType))
    .flatMap((each) => parsed(each).manifests)
    .find(
      ({ platform: found }) =>
        found?.['os'] === platform.os && found['architecture'] === platform.architecture,
    )
  return images.find(({ digest }) => digest === wanted?.digest)
}

export function parsed({ body, mediaType }: LocalManifest): Manifest {
  return parseManifest(body, mediaType)
}
