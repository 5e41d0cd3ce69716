import type { BlobStore } from '../blobs/blob-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { digestAlgorithm, type Digest } from '../oci/digest.ts'
import { isIndexType } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { RecentCache } from '../recent-cache.ts'
import { closureOf, type ClosureParts, type KeptManifest } from './closure.ts'
import { ManifestReader } from './manifest-reader.ts'
import type { SeenContent } from './seen-content.ts'
import { Sha256Twins } from './sha256-twins.ts'

export interface FactSources {
  readonly metadata: Pick<MetadataStore, 'findManifest' | 'findBlob' | 'contents'>
  readonly blobs: Pick<BlobStore, 'open'>
}

/** Digests cached in total, about 100 bytes each; at most twice as many. */
const rememberedDigests = 30_000
/**
 * Milliseconds that a request waits. A slower look-up continues, and its result is available to a later
 * request.
 */
const patience = 4000
/** Indexes whose other children are read. */
const mostParents = 32

/** Looks up facts about the content of manifests and blobs in the registry. */
export class ContentFacts {
  readonly #parts: ClosureParts
  readonly #metadata: FactSources['metadata']
  readonly #known = new RecentCache<string, SeenContent>(rememberedDigests, digestsIn)
  readonly #running = new Map<string, Promise<SeenContent>>()

  constructor({ metadata, blobs }: FactSources) {
    this.#metadata = metadata
    this.#parts = {
      metadata,
      blobs,
      reader: new ManifestReader(),
      twins: new Sha256Twins(metadata, blobs),
    }
  }

  /** The facts of a manifest that is stored, or is being pushed. `platforms`: whether its platforms are among them. */
  ofManifest(
    repository: RepositoryName,
    manifest: KeptManifest,
    { platforms }: { readonly platforms: boolean },
  ): SeenContent | Promise<SeenContent> {
    const key = `${repository}@${manifest.digest}${platforms ? ' platforms' : ''}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    let running = this.#running.get(key)
    if (running === undefined) {
      running = this.#look(key, closureOf(this.#parts, repository, manifest, platforms))
      this.#running.set(key, running)
    }
    return patiently(running)
  }

  /** The platforms of each index of the repository that lists the manifest. */
  async listedBy(repository: RepositoryName, digest: Digest): Promise<readonly (readonly string[])[]> {
    const platforms: (readonly string[])[] = []
    const { contents } = this.#metadata
    const parents = await contents.parents(repository, digest, { limit: mostParents })
    for (const parent of parents.items) {
      if (!isIndexType(parent.mediaType)) continue
      const manifest = await this.#metadata.findManifest(repository, parent.digest)
      if (manifest === undefined) continue
      const { fact } = await this.ofManifest(repository, manifest, { platforms: true })
      if (fact.kind === 'known') platforms.push(fact.content.platforms ?? [])
    }
    return platforms
  }

  /** The facts of a blob whose sha256 is not known. `repositories`: where it may be. */
  ofBlob(repositories: readonly RepositoryName[], digest: Digest): SeenContent | Promise<SeenContent> {
    const twin = this.#parts.twins.ofBlob(repositories, digest)
    const seen = (found: Digest | undefined): SeenContent =>
      found === undefined ? blobFact([digest], false) : blobFact([digest, found], true)
    return twin instanceof Promise ? patiently(twin.then(seen)) : seen(twin)
  }

  async #look(key: string, closure: Promise<SeenContent>): Promise<SeenContent> {
    try {
      const seen = await closure
      if (seen.isSettled) this.#known.set(key, seen)
      return seen
    } finally {
      this.#running.delete(key)
    }
  }
}

/** The cache weight of an entry, in digests; 8 stands for the rest of it. */
function digestsIn({ fact }: SeenContent): number {
  return 8 + (fact.kind === 'known' ? fact.content.contains.length : 0)
}

/** The facts of a blob, which need no look-up where its sha256 is known. Undefined where it is not. */
export function knownBlob(digest: Digest, sha256?: Digest): SeenContent | undefined {
  if (digestAlgorithm(digest) === 'sha256') return blobFact([digest], true)
  return sha256 === undefined ? undefined : blobFact([digest, sha256], true)
}

function blobFact(digests: readonly Digest[], isSettled: boolean): SeenContent {
  const content = { digests, contains: [], platforms: [], listedBy: [], size: 0, isEvidence: false }
  return { fact: { kind: 'known', content }, isSettled }
}

async function patiently(seen: Promise<SeenContent>): Promise<SeenContent> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<SeenContent>((resolve) => {
    timer = setTimeout(
      () => resolve({ fact: { kind: 'failed', reason: 'FACT_PENDING' }, isSettled: false }),
      patience,
    )
  })
  try {
    return await Promise.race([seen, late])
  } finally {
    clearTimeout(timer)
  }
}
