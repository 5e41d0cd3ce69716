import type { BlobStore } from '../blobs/blob-store.ts'
import type { MetadataReads } from '../metadata/metadata-store.ts'
import { digestAlgorithm, digestOfBytes, type Digest } from '../oci/digest.ts'
import type { Descriptor, Manifest, ManifestLink } from '../oci/manifest.ts'
import { isIndexType } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { OciError } from '../oci/oci-error.ts'
import type { SeenContent } from './seen-content.ts'
import { isEvidence } from './evidence.ts'
import type { ManifestReader } from './manifest-reader.ts'
import { configLimit, isImageConfig, platformOfConfig, platformText } from './platform.ts'
import type { Sha256Twins } from './sha256-twins.ts'

export interface ClosureParts {
  readonly metadata: Pick<MetadataReads, 'findManifest' | 'findBlob'>
  readonly blobs: Pick<BlobStore, 'open'>
  readonly reader: ManifestReader
  readonly twins: Sha256Twins
}

interface KeptManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly body: Uint8Array
}

/** What an image may consist of; what has more cannot be checked, and is not looked at again. */
const mostDigests = 100_000
const mostBytes = 64 * 1024 * 1024

/** An image, or an index with its images, down to the layers. `parsed`: the manifest, where it is known. */
export async function closureOf(
  parts: ClosureParts,
  repository: RepositoryName,
  manifest: KeptManifest,
  parsed?: Manifest,
): Promise<SeenContent> {
  const closure = new Closure(parts, repository)
  try {
    return await closure.of(manifest, parsed)
  } catch (error) {
    if (!(error instanceof TooMuch) && !(error instanceof OciError)) throw error
    return { fact: { kind: 'failed', reason: 'FACT_TIMEOUT' }, isSettled: true }
  }
}

class TooMuch extends Error {}

interface Child {
  readonly digest: Digest
  readonly kind: ManifestLink['kind']
  readonly platforms: readonly string[]
}

class Closure {
  readonly #parts: ClosureParts
  readonly #repository: RepositoryName
  readonly #contains = new Set<Digest>()
  readonly #platforms = new Set<string>()
  readonly #children: Child[] = []
  #size = 0
  #bytesRead = 0
  #isWhole = true

  constructor(parts: ClosureParts, repository: RepositoryName) {
    this.#parts = parts
    this.#repository = repository
  }

  async of(root: KeptManifest, parsed: Manifest | undefined): Promise<SeenContent> {
    const manifest = parsed ?? (await this.#parts.reader.read(root))
    this.#size = root.body.byteLength
    await this.#add(manifest, [])
    for (let child = this.#children.pop(); child !== undefined; child = this.#children.pop())
      await this.#addChild(child)
    const digests =
      digestAlgorithm(root.digest) === 'sha256'
        ? [root.digest]
        : [root.digest, digestOfBytes('sha256', root.body)]
    const content = {
      digests,
      contains: [...this.#contains],
      platforms: [...this.#platforms],
      listedBy: [],
      size: this.#size,
      isEvidence: isEvidence(manifest),
    }
    return { fact: { kind: 'known', content }, isSettled: this.#isWhole }
  }

  /** `listed`: the platforms that an index says it is for. */
  async #add(manifest: Manifest, listed: readonly string[]): Promise<void> {
    const added = manifest.references.filter((link) => this.#count(link))
    if (isIndexType(manifest.mediaType)) {
      const platforms = platformsOf(manifest.manifests)
      for (const { digest, kind } of added)
        this.#children.push({ digest, kind, platforms: platforms.get(digest) ?? [] })
      return
    }
    for (const { digest } of added) if (digestAlgorithm(digest) !== 'sha256') await this.#addTwin(digest)
    const found = listed.length > 0 ? listed : await this.#platformOf(manifest)
    for (const platform of found) this.#platforms.add(platform)
  }

  /** Whatever is listed may be a manifest, whatever the index calls it. */
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
    if (digestAlgorithm(digest) !== 'sha256') this.#contain(digestOfBytes('sha256', kept.body))
    await this.#add(await this.#parts.reader.read(kept), platforms)
  }

  /** Whether it is new. What nobody pushes is no content of the registry. */
  #count({ digest, size, required }: ManifestLink): boolean {
    if (this.#contains.has(digest)) return false
    this.#contain(digest)
    if (required) this.#size += size
    return true
  }

  #contain(digest: Digest): void {
    this.#contains.add(digest)
    if (this.#contains.size > mostDigests) throw new TooMuch()
  }

  async #addTwin(digest: Digest): Promise<void> {
    const twin = await this.#parts.twins.ofBlob([this.#repository], digest)
    if (twin === undefined) this.#isWhole = false
    else this.#contain(twin)
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

/** Of each child that says so; it may be listed for several. */
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
