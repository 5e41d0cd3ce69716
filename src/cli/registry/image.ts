import pLimit from 'p-limit'
import type { Digest } from '../../oci/digest.ts'
import { parseManifest, type Descriptor, type Manifest } from '../../oci/manifest.ts'
import { isIndexType } from '../../oci/media-types.ts'
import { OciError } from '../../oci/oci-error.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Reference } from '../../oci/tag.ts'
import type { RegistryClient, RemoteManifest } from '../../upstream/registry-client.ts'
import { UserError } from '../../user-error.ts'
import { configLimit, parseConfig, platformName, type ImageConfig } from './image-config.ts'
import { noRepository } from './untagged.ts'
import { printReference } from '../way/named-target.ts'

export interface RegistryImage {
  readonly digest: Digest
  readonly manifest: Manifest
  /** The size of the manifest itself, in bytes. */
  readonly manifestSize: number
  /** `linux/amd64`; for an index those of its children. */
  readonly platforms: readonly string[]
  /** The bytes of config and layers; for an index of all its children that the registry has. */
  readonly size: number
  readonly created: string | undefined
}

/** Requests of one command that wait for an answer. */
const concurrency = 8

/** An image of an index. */
interface Child {
  readonly size: number
  readonly config: Descriptor | undefined
}

type Facts = Pick<RegistryImage, 'platforms' | 'size' | 'created'>

/** What a list shows of a config. */
type ConfigFacts = Pick<ImageConfig, 'os' | 'architecture' | 'variant' | 'created'>

/**
 * Reads images of one repository, several at a time. What several tags share is asked for once: the same image, the
 * images of an index, and configs.
 */
export class ImageReader {
  readonly #client: RegistryClient
  readonly #repository: RepositoryName
  readonly #limit = pLimit(concurrency)
  readonly #facts = new Map<Digest, Promise<Facts>>()
  readonly #children = new Map<Digest, Promise<Child | undefined>>()
  readonly #configs = new Map<Digest, Promise<ConfigFacts>>()

  constructor(client: RegistryClient, repository: RepositoryName) {
    this.#client = client
    this.#repository = repository
  }

  /** Throws UserError NOT_FOUND, MANIFEST_UNREADABLE. */
  async load(reference: Reference): Promise<RegistryImage> {
    const found = await this.#limit(() => loadManifest(this.#client, this.#repository, reference))
    const manifest = readManifest(found, printReference(this.#repository, reference))
    const { digest, body } = found
    return { digest, manifest, manifestSize: body.byteLength, ...(await this.#factsOf(digest, manifest)) }
  }

  /** Returns the whole config of an image; empty if it has none that can be shown. */
  async config({ config }: Pick<Manifest, 'config'>): Promise<ImageConfig> {
    if (config === undefined || !/image/.test(config.mediaType) || config.size > configLimit) return {}
    const bytes = await this.#limit(() =>
      this.#client.smallBlob(this.#repository, config.digest, configLimit),
    )
    return parseConfig(bytes)
  }

  #factsOf(digest: Digest, manifest: Manifest): Promise<Facts> {
    return once(this.#facts, digest, () =>
      isIndexType(manifest.mediaType) ? this.#indexFacts(manifest) : this.#imageFacts(manifest),
    )
  }

  async #imageFacts(manifest: Manifest): Promise<Facts> {
    const config = await this.#configFacts(manifest)
    return {
      size: sizeOf(manifest),
      platforms: config.os === undefined ? [] : [platformName(config)],
      created: config.created,
    }
  }

  async #indexFacts({ manifests, annotations }: Manifest): Promise<Facts> {
    const children = await Promise.all(manifests.map((child) => this.child(child)))
    const created = annotations?.['org.opencontainers.image.created']
    const first = children.find((child) => child?.config !== undefined)
    return {
      platforms: manifests.flatMap(({ platform }) =>
        platform === undefined ? [] : [platformName(platform)],
      ),
      size: children.reduce((sum, child) => sum + (child?.size ?? 0), 0),
      created: created ?? (first === undefined ? undefined : (await this.#configFacts(first)).created),
    }
  }

  /** Undefined: the registry does not have it, or it is an index itself. */
  child({ digest, mediaType }: Pick<Descriptor, 'digest' | 'mediaType'>): Promise<Child | undefined> {
    return once(this.#children, digest, async () => {
      if (isIndexType(mediaType)) return undefined
      const found = await this.#limit(() => this.#client.manifest(this.#repository, digest))
      if (found === undefined || isIndexType(found.mediaType)) return undefined
      const manifest = readManifest(found, printReference(this.#repository, digest))
      return { size: sizeOf(manifest), config: manifest.config }
    })
  }

  async #configFacts(manifest: Pick<Manifest, 'config'>): Promise<ConfigFacts> {
    if (manifest.config === undefined) return {}
    return once(this.#configs, manifest.config.digest, async () => {
      const { os, architecture, variant, created } = await this.config(manifest)
      return { os, architecture, variant, created }
    })
  }
}

function sizeOf({ layers, config }: Manifest): number {
  return layers.reduce((sum, layer) => sum + layer.size, config?.size ?? 0)
}

function once<Value>(
  known: Map<Digest, Promise<Value>>,
  digest: Digest,
  load: () => Promise<Value>,
): Promise<Value> {
  const before = known.get(digest)
  if (before !== undefined) return before
  const value = load()
  known.set(digest, value)
  return value
}

/** Asks for the digest alone, where the registry tells it. Throws UserError NOT_FOUND. */
export async function loadDigest(
  client: RegistryClient,
  repository: RepositoryName,
  reference: Reference,
): Promise<Digest> {
  const told = await client.digestOf(repository, reference)
  return told ?? (await loadManifest(client, repository, reference)).digest
}

/** Throws UserError NOT_FOUND. */
export async function loadManifest(
  client: RegistryClient,
  repository: RepositoryName,
  reference: Reference,
): Promise<RemoteManifest> {
  const found = await client.manifest(repository, reference)
  if (found !== undefined) return found
  // A list of a repository that does not exist would help nobody.
  if ((await client.tags(repository)) === undefined) throw noRepository(repository)
  throw new UserError('NOT_FOUND', `${printReference(repository, reference)} is not in the registry`, {
    hint: `trow list ${repository} shows what is.`,
  })
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
