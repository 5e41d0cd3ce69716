import type { Digest } from '../../oci/digest.ts'
import { parseManifest, type Manifest } from '../../oci/manifest.ts'
import { isIndexType } from '../../oci/media-types.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Reference } from '../../oci/tag.ts'
import type { RegistryClient } from '../../upstream/registry-client.ts'
import { UserError } from '../../user-error.ts'
import { printReference } from './target.ts'

const configLimit = 1024 * 1024

export interface Image {
  readonly digest: Digest
  readonly manifest: Manifest
  /** Bytes of the manifest itself. */
  readonly manifestSize: number
  /** `linux/amd64`; of an index those of its children. */
  readonly platforms: readonly string[]
  /** Bytes of config and layers; of an index of all its children that are here. */
  readonly size: number
  readonly created: string | undefined
}

/** Throws UserError NOT_FOUND. */
export async function loadImage(
  client: RegistryClient,
  repository: RepositoryName,
  reference: Reference,
): Promise<Image> {
  const found = await client.manifest(repository, reference)
  if (found === undefined) {
    throw new UserError('NOT_FOUND', `${printReference(repository, reference)} is not in the registry`, {
      hint: `trow list ${repository} shows what is.`,
    })
  }
  const manifest = parseManifest(found.body, found.mediaType)
  const facts = { digest: found.digest, manifest, manifestSize: found.body.byteLength }
  if (isIndexType(manifest.mediaType))
    return { ...facts, ...(await indexFacts(client, repository, manifest)) }
  const size = manifest.layers.reduce((sum, layer) => sum + layer.size, manifest.config?.size ?? 0)
  const config = await loadConfig(client, repository, manifest)
  return {
    ...facts,
    size,
    platforms: config.os === undefined ? [] : [platformName(config)],
    created: config.created,
  }
}

interface Config {
  readonly os?: string
  readonly architecture?: string
  readonly variant?: string
  readonly created?: string
}

async function indexFacts(
  client: RegistryClient,
  repository: RepositoryName,
  manifest: Manifest,
): Promise<Pick<Image, 'platforms' | 'size' | 'created'>> {
  let size = 0
  const platforms: string[] = []
  for (const child of manifest.manifests) {
    if (child.platform !== undefined) platforms.push(platformName(child.platform as Config))
    const found = await client.manifest(repository, child.digest)
    if (found === undefined || isIndexType(found.mediaType)) continue
    const { layers, config } = parseManifest(found.body, found.mediaType)
    size += layers.reduce((sum, layer) => sum + layer.size, config?.size ?? 0)
  }
  return { platforms, size, created: manifest.annotations?.['org.opencontainers.image.created'] }
}

async function loadConfig(
  client: RegistryClient,
  repository: RepositoryName,
  manifest: Manifest,
): Promise<Config> {
  const { config } = manifest
  if (config === undefined || !/image/.test(config.mediaType) || config.size > configLimit) return {}
  const bytes = await client.smallBlob(repository, config.digest, configLimit)
  try {
    return bytes === undefined ? {} : (JSON.parse(Buffer.from(bytes).toString()) as Config)
  } catch {
    return {}
  }
}

export function platformName({ os, architecture, variant }: Config): string {
  return [os, architecture, variant].filter((part) => part !== undefined && part !== '').join('/')
}
