/** Media types of manifests that this registry takes; image-spec "Media Types", docker image manifest v2.2. */
export const ociImageManifest = 'application/vnd.oci.image.manifest.v1+json'
export const ociImageIndex = 'application/vnd.oci.image.index.v1+json'
export const dockerImageManifest = 'application/vnd.docker.distribution.manifest.v2+json'
export const dockerManifestList = 'application/vnd.docker.distribution.manifest.list.v2+json'

const images: ReadonlySet<string> = new Set([ociImageManifest, dockerImageManifest])
const indexes: ReadonlySet<string> = new Set([ociImageIndex, dockerManifestList])

export function isIndexType(mediaType: string): boolean {
  return indexes.has(mediaType)
}

export function isManifestType(mediaType: string): boolean {
  return images.has(mediaType) || indexes.has(mediaType)
}

/** Layers that are fetched from elsewhere and need not be pushed; image-spec "Non-Distributable Layers". */
export function isNonDistributable(mediaType: string): boolean {
  return (
    mediaType.startsWith('application/vnd.oci.image.layer.nondistributable.') ||
    mediaType.startsWith('application/vnd.docker.image.rootfs.foreign.')
  )
}
