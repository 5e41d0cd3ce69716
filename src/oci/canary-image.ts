import { digestOfBytes, type Digest } from './digest.ts'
import { parseRepositoryName, type RepositoryName } from './repository-name.ts'

export const canaryRepository = parseRepositoryName('trow/canary')

/** The image that every node pulls. Its bytes are always the same, so that a second push changes nothing. */
export interface CanaryImage {
  readonly repository: RepositoryName
  readonly tag: string
  readonly digest: Digest
  readonly mediaType: string
  readonly manifest: Uint8Array
  readonly blobs: readonly { readonly digest: Digest; readonly content: Uint8Array }[]
}

/** One empty layer: a tar archive ends with two blocks of zeros. */
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
    repository: canaryRepository,
    tag: '1',
    digest: digestOfBytes('sha256', manifest),
    mediaType,
    manifest,
    blobs: [layer, config].map((content) => ({ digest: digestOfBytes('sha256', content), content })),
  }
}

/** Formats the reference as NodeSettings and reports have it. */
export function canaryReference({ repository, digest }: CanaryImage): string {
  return `${repository}@${digest}`
}

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

function descriptor(mediaType: string, content: Uint8Array): object {
  return { mediaType, digest: digestOfBytes('sha256', content), size: content.length }
}
