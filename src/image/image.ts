import { digestOfBytes, type Digest } from '../oci/digest.ts'
import { ociImageIndex, ociImageManifest } from '../oci/media-types.ts'
import type { StoredLayer } from './layer-store.ts'
import { home } from './node-layers.ts'
import type { Platform } from './platform.ts'
import { certificateBundle, user } from './system-layer.ts'

/** Image-spec, "descriptor.md". */
export interface ContentDescriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

/** Small content is in memory, layers are files. */
export type Blob = ContentDescriptor & ({ readonly content: Buffer } | { readonly path: string })

/** The image of one platform. */
export interface PlatformImage {
  readonly platform: Platform
  readonly manifest: ContentDescriptor & { readonly content: Buffer }
  readonly config: ContentDescriptor & { readonly content: Buffer }
  readonly layers: readonly (ContentDescriptor & { readonly path: string })[]
}

export interface Image {
  /** The index of all platforms; it exists for a single platform too. */
  readonly index: ContentDescriptor & { readonly content: Buffer }
  readonly platforms: readonly PlatformImage[]
}

/** What an image contains besides its layers. */
export interface ImageFacts {
  readonly version: string
  /**
   * The creation time in the image. It is a parameter because a reproducible build must not read the clock.
   */
  readonly created: Date
}

/** Image-spec, "config.md" and "manifest.md". */
export function assemblePlatform(
  platform: Platform,
  layers: readonly StoredLayer[],
  { version, created }: ImageFacts,
): PlatformImage {
  const labels = labelsOf(version)
  const config = json('application/vnd.oci.image.config.v1+json', {
    created: created.toISOString(),
    architecture: platform.architecture,
    os: 'linux',
    config: {
      User: `${user.id}:${user.id}`,
      ExposedPorts: { '8443/tcp': {} },
      Env: [
        'PATH=/usr/bin',
        `SSL_CERT_FILE=/${certificateBundle}`,
        // Node has its own list of CAs; with this variable it also trusts a bundle that is mounted over the
        // file.
        'NODE_USE_SYSTEM_CA=1',
      ],
      Entrypoint: ['/usr/bin/node', `/${home}/bin/trow.js`],
      Cmd: ['--help'],
      WorkingDir: '/data',
      Labels: labels,
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ title }) => ({ created: created.toISOString(), created_by: title })),
  })
  const layerBlobs = layers.map(({ digest, size, path }) => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest,
    size,
    path,
  }))
  const manifest = json(ociImageManifest, {
    schemaVersion: 2,
    mediaType: ociImageManifest,
    config: descriptorOf(config),
    layers: layerBlobs.map(descriptorOf),
    annotations: labels,
  })
  return { platform, manifest, config, layers: layerBlobs }
}

/** Image-spec, "image-index.md". */
export function assembleImage(images: readonly PlatformImage[], { version }: ImageFacts): Image {
  const index = json(ociImageIndex, {
    schemaVersion: 2,
    mediaType: ociImageIndex,
    manifests: images.map(({ manifest, platform }) => ({
      ...descriptorOf(manifest),
      platform: { architecture: platform.architecture, os: 'linux' },
    })),
    annotations: labelsOf(version),
  })
  return { index, platforms: images }
}

/** Returns all content of an image, each part once. A part comes after those to which it refers. */
export function blobsOf(image: Image): readonly Blob[] {
  const blobs = image.platforms.flatMap(({ layers, config, manifest }) => [...layers, config, manifest])
  return [...new Map([...blobs, image.index].map((blob) => [blob.digest, blob])).values()]
}

export function descriptorOf({ mediaType, digest, size }: ContentDescriptor): ContentDescriptor {
  return { mediaType, digest, size }
}

function json(mediaType: string, value: unknown): ContentDescriptor & { readonly content: Buffer } {
  const content = Buffer.from(JSON.stringify(value))
  const digest = digestOfBytes('sha256', content)
  return { mediaType, digest, size: content.length, content }
}

/** Image-spec, "annotations.md". */
function labelsOf(version: string): Readonly<Record<string, string>> {
  return {
    'org.opencontainers.image.title': 'trow',
    'org.opencontainers.image.description': 'An OCI registry for Kubernetes clusters',
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'org.opencontainers.image.source': 'https://github.com/trow-io/trow',
  }
}
