import type { BlobStore } from '../blobs/blob-store.ts'
import type { MetadataReads } from '../metadata/metadata-store.ts'
import { digestAlgorithm, digestOfBytes, type Digest } from '../oci/digest.ts'
import type { Descriptor, Manifest, ManifestLink } from '../oci/manifest.ts'
import { isIndexType } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { OciError } from '../oci/oci-error.ts'
import type { SeenContent } from './seen-content.ts'
import { isEvidence } from './evidence.ts'
import { ImageParts, TooMuch } from './image-parts.ts'
import type { ManifestReader } from './manifest-reader.ts'
import { configLimit, isImageConfig, platformOfConfig, platformText } from './platform.ts'
import type { Sha256Twins } from './sha256-twins.ts'

export interface ClosureParts {
  readonly metadata: Pick<MetadataReads, 'findManifest' | 'findBlob'>
  readonly blobs: Pick<BlobStore, 'open'>
  readonly reader: ManifestReader
  readonly twins: Sha256Twins
}

export interface KeptManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly body: Uint8Array
  /** If already parsed. */
  readonly parsed?: Manifest
}

/** Bytes of the manifests of one index. A larger index cannot be checked, and that result is final. */
const mostBytes = 64 * 1024 * 1024

/**
 * Collects the content of an image, or of an index with its images, down to the layers. `withPlatforms`: their
 * configs are read as well.
 */
export async function closureOf(
  parts: ClosureParts,
  repository: RepositoryName,
  manifest: KeptManifest,
  withPlatforms: boolean,
): Promise<SeenContent> {
  const closure = new ClosureWalk(parts, repository, withPlatforms)
  try {
    return await closure.of(manifest)
  } catch (error) {
    if (!(error instanceof TooMuch) && !(error instanceof OciError)) throw error
    return { fact: { kind: 'failed', reason: 'FACT_TIMEOUT' }, isSettled: true }
  }
}

interface Child {
  readonly digest: Digest
  readonly kind: ManifestLink['kind']
  readonly platforms: readonly string[]
}

class ClosureWalk {
  readonly #parts: ClosureParts
  readonly #repository: RepositoryName
  readonly #found = new ImageParts()
  /** Undefined: platforms are not looked up. */
  readonly #platforms: Set<string> | undefined
  readonly #children: Child[] = []
  #bytesRead = 0
  #isWhole = true

  constructor(parts: ClosureParts, repository: RepositoryName, withPlatforms: boolean) {
    this.#parts = parts
    this.#repository = repository
    this.#platforms = withPlatforms ? new Set() : undefined
  }

  async of(root: KeptManifest): Promise<SeenContent> {
    const manifest = root.parsed ?? (await this.#parts.reader.read(root))
    await this.#add(manifest, [])
    for (let child = this.#children.pop(); child !== undefined; child = this.#children.pop())
      await this.#addChild(child)
    const digests =
      digestAlgorithm(root.digest) === 'sha256'
        ? [root.digest]
        : [root.digest, digestOfBytes('sha256', root.body)]
    const content = {
      digests,
      contains: this.#found.digests(),
      platforms: this.#platforms && [...this.#platforms],
      listedBy: [],
      size: root.body.byteLength + this.#found.size,
      isEvidence: isEvidence(manifest),
    }
    return { fact: { kind: 'known', content }, isSettled: this.#isWhole }
  }

  /** `listed`: the platforms that the index gives for this manifest. */
  async #add(manifest: Manifest, listed: readonly string[]): Promise<void> {
    const added = manifest.references.filter((link) => this.#found.add(link))
    if (isIndexType(manifest.mediaType)) {
      const platforms = platformsOf(manifest.manifests)
      for (const { digest, kind } of added)
        this.#children.push({ digest, kind, platforms: platforms.get(digest) ?? [] })
      return
    }
    for (const { digest } of added) if (digestAlgorithm(digest) !== 'sha256') await this.#addTwin(digest)
    if (this.#platforms === undefined) return
    const found = listed.length > 0 ? listed : await this.#platformOf(manifest)
    for (const platform of found) this.#platforms.add(platform)
  }

  /** A listed digest may be a manifest, whatever kind the index gives. */
  async #addChild({ digest, kind, platforms }: Child): Promise<void> {
    const turn = this.#parts.reader.turn()
    if (turn !== undefined) await turn
    const kept = await this.#parts.metadata.findManifest(this.#repository, digest)
    if (kept === undefined) {
      if (kind === 'manifest') this.#isWhole = false
      else await this.#addTwin(digest)
      return
    }
    this.#bytesRead += kept.body.byteLength
    if (this.#bytesRead > mostBytes) throw new TooMuch()
    if (digestAlgorithm(digest) !== 'sha256') this.#found.contain(digestOfBytes('sha256', kept.body))
    await this.#add(await this.#parts.reader.read(kept), platforms)
  }

  async #addTwin(digest: Digest): Promise<void> {
    const twin = await this.#parts.twins.ofBlob([this.#repository], digest)
    if (twin === undefined) this.#isWhole = false
    else this.#found.contain(twin)
  }

  async #platformOf({ config }: Manifest): Promise<readonly string[]> {
    if (config === undefined || config.size > configLimit || !isImageConfig(config.mediaType)) return []
    const bytes = await this.#bytesOf(config.digest)
    if (bytes === undefined) this.#isWhole = false
    return bytes === undefined ? [] : [platformOfConfig(bytes) ?? []].flat()
  }

  async #bytesOf(digest: Digest): Promise<Uint8Array | undefined> {
    const { metadata, blobs } = this.#parts
    const blob = await metadata.findBlob(this.#repository, digest)
    if (blob === undefined || blob.size > configLimit) return undefined
    if (blob.content.kind === 'inline') return blob.content.bytes
    const reader = await blobs.open(blob.content.key)
    if (reader === undefined) return undefined
    try {
      const chunks: Uint8Array[] = []
      for await (const chunk of reader.stream()) chunks.push(Uint8Array.from(chunk))
      return Buffer.concat(chunks)
    } finally {
      reader.close()
    }
  }
}

/** The platforms that the index gives for each child; a child may be listed for several. */
function platformsOf(children: readonly Descriptor[]): ReadonlyMap<Digest, readonly string[]> {
  const found = new Map<Digest, string[]>()
  for (const { digest, platform } of children) {
    const text = platform && platformText(platform)
    if (text === undefined) continue
    const known = found.get(digest)
    if (known === undefined) found.set(digest, [text])
    else known.push(text)
  }
  return found
}
