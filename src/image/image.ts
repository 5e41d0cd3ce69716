import { digestOfBytes, type Digest } from '../oci/digest.ts'
import { ociImageIndex, ociImageManifest } from '../oci/media-types.ts'
import type { StoredLayer } from './layer-store.ts'
import { home } from './node-layers.ts'
import type { Platform } from './platform.ts'
import { certificateBundle, user } from './system-layer.ts'

/** Image-spec, "descriptor.md". */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

/** Small content in memory, layers as files. */
export type Blob = Descriptor & ({ readonly content: Buffer } | { readonly path: string })

/** The image of one platform. */
export interface PlatformImage {
  readonly platform: Platform
  readonly manifest: Descriptor & { readonly content: Buffer }
  readonly config: Descriptor & { readonly content: Buffer }
  readonly layers: readonly (Descriptor & { readonly path: string })[]
}

export interface Image {
  /** The index of all platforms, also when there is one only. */
  readonly index: Descriptor & { readonly content: Buffer }
  readonly platforms: readonly PlatformImage[]
}

/** What is written into an image besides its layers. */
export interface ImageFacts {
  readonly version: string
  /** When it says that it was made: reproducible builds have no clock. */
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
        // Node has certificate authorities of its own; with this a bundle mounted over the file counts as well.
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

/** All content of an image, each once: what others refer to comes before them. */
export function blobsOf(image: Image): readonly Blob[] {
  const blobs = image.platforms.flatMap(({ layers, config, manifest }) => [...layers, config, manifest])
  return [...new Map([...blobs, image.index].map((blob) => [blob.digest, blob])).values()]
}

export function descriptorOf({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}

function json(mediaType: string, value: unknown): Descriptor & { readonly content: Buffer } {
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
