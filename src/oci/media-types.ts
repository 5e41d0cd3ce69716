/**
 * Media types of manifests that this registry accepts; image-spec "Media Types", docker image manifest v2.2.
 */
export const ociImageManifest = 'application/vnd.oci.image.manifest.v1+json'
export const ociImageIndex = 'application/vnd.oci.image.index.v1+json'
export const dockerImageManifest = 'application/vnd.docker.distribution.manifest.v2+json'
export const dockerManifestList = 'application/vnd.docker.distribution.manifest.list.v2+json'

const images: ReadonlySet<string> = new Set([ociImageManifest, dockerImageManifest])
const indexes: ReadonlySet<string> = new Set([ociImageIndex, dockerManifestList])

// Names of media types are compared without regard to case (RFC 6838, 4.2).

export function isSameType(one: string, other: string): boolean {
  return one === other || one.toLowerCase() === other.toLowerCase()
}

export function isIndexType(mediaType: string): boolean {
  return indexes.has(mediaType.toLowerCase())
}

export function isManifestType(mediaType: string): boolean {
  const name = mediaType.toLowerCase()
  return images.has(name) || indexes.has(name)
}

/** Layers that are fetched from elsewhere and need not be pushed; image-spec "Non-Distributable Layers". */
export function isNonDistributable(mediaType: string): boolean {
  const name = mediaType.toLowerCase()
  return (
    name.startsWith('application/vnd.oci.image.layer.nondistributable.') ||
    name.startsWith('application/vnd.docker.image.rootfs.foreign.')
  )
}
