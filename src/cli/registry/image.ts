import { z } from 'zod'
import { tryForeignJson } from '../../foreign-json.ts'
import type { Digest } from '../../oci/digest.ts'
import { parseManifest, type Manifest } from '../../oci/manifest.ts'
import { isIndexType } from '../../oci/media-types.ts'
import { OciError } from '../../oci/oci-error.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Reference } from '../../oci/tag.ts'
import type { RegistryClient, RemoteManifest } from '../../upstream/registry-client.ts'
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
  const manifest = readManifest(found, printReference(repository, reference))
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

/** Throws UserError MANIFEST_UNREADABLE. */
function readManifest({ body, mediaType }: RemoteManifest, name: string): Manifest {
  try {
    return parseManifest(body, mediaType)
  } catch (error) {
    if (!(error instanceof OciError)) throw error
    const detail = typeof error.detail === 'string' ? error.detail : error.message
    throw new UserError('MANIFEST_UNREADABLE', `${name} is no manifest that can be shown: ${detail}`, {
      hint: 'docker pull and push it again with a client of today, or look at it with curl.',
      cause: error,
    })
  }
}

/** image-spec "config.md" and the platform of an index; a member of another type counts as absent. */
const textOf = z.string().optional().catch(undefined)
const configSchema = z.object({ os: textOf, architecture: textOf, variant: textOf, created: textOf })
type Config = Partial<z.infer<typeof configSchema>>

async function indexFacts(
  client: RegistryClient,
  repository: RepositoryName,
  manifest: Manifest,
): Promise<Pick<Image, 'platforms' | 'size' | 'created'>> {
  let size = 0
  const platforms: string[] = []
  for (const child of manifest.manifests) {
    if (child.platform !== undefined) platforms.push(platformName(child.platform))
    const found = await client.manifest(repository, child.digest)
    if (found === undefined || isIndexType(found.mediaType)) continue
    const { layers, config } = readManifest(found, printReference(repository, child.digest))
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
  return tryForeignJson(bytes, configSchema, configLimit) ?? {}
}

/** `linux/arm64/v8`, of a config or the platform of a descriptor. */
export function platformName(platform: Readonly<Record<string, unknown>>): string {
  const { os, architecture, variant } = configSchema.parse(platform)
  return [os, architecture, variant].filter((part) => part !== undefined && part !== '').join('/')
}
