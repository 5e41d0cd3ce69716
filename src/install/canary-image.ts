import { names } from '../cluster/layout.ts'
import { digestOfBytes, type Digest } from '../oci/digest.ts'

/** The image that every node pulls: always the same bytes, so that pushing it again changes nothing. */
export interface CanaryImage {
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  readonly mediaType: string
  readonly manifest: Uint8Array
  readonly blobs: readonly { readonly digest: Digest; readonly content: Uint8Array }[]
}

/** One empty layer: two blocks of zeros are the end of a tar archive. */
export function canaryImage(): CanaryImage {
  const layer = new Uint8Array(1024)
  const config = json({
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [digestOfBytes('sha256', layer)] },
  })
  const type = 'application/vnd.oci.image'
  const mediaType = `${type}.manifest.v1+json`
  const manifest = json({
    schemaVersion: 2,
    mediaType,
    config: descriptor(`${type}.config.v1+json`, config),
    layers: [descriptor(`${type}.layer.v1.tar`, layer)],
    annotations: { 'org.opencontainers.image.description': 'Every node pulls it, to prove that it can.' },
  })
  return {
    repository: names.canaryRepository,
    tag: '1',
    digest: digestOfBytes('sha256', manifest),
    mediaType,
    manifest,
    blobs: [layer, config].map((content) => ({ digest: digestOfBytes('sha256', content), content })),
  }
}

/** As NodeSettings and reports have it. */
export function canaryReference({ repository, digest }: CanaryImage): string {
  return `${repository}@${digest}`
}

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

function descriptor(mediaType: string, content: Uint8Array): object {
  return { mediaType, digest: digestOfBytes('sha256', content), size: content.length }
}
