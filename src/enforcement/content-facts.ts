import type { BlobStore } from '../blobs/blob-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { digestAlgorithm, type Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { isIndexType } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { RecentCache } from '../recent-cache.ts'
import { closureOf, type ClosureParts } from './closure.ts'
import { ManifestReader } from './manifest-reader.ts'
import type { SeenContent } from './seen-content.ts'
import { Sha256Twins } from './sha256-twins.ts'

export interface FactSources {
  readonly metadata: Pick<MetadataStore, 'findManifest' | 'findBlob' | 'contents'>
  readonly blobs: Pick<BlobStore, 'open'>
}

/** Digests that are remembered in all, some 100 bytes each; twice as many at most. */
const rememberedDigests = 30_000
/** Milliseconds that somebody waits for. What takes longer goes on, and is known when they ask again. */
const patience = 4000
/** Indexes that are asked what else they list. */
const mostParents = 32

/** What the registry knows of the content of its manifests and blobs. */
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

  /** Of a manifest, whether it is kept already or is being pushed: then `parsed`. */
  ofManifest(
    repository: RepositoryName,
    manifest: { readonly digest: Digest; readonly mediaType: string; readonly body: Uint8Array },
    parsed?: Manifest,
  ): SeenContent | Promise<SeenContent> {
    const key = `${repository}@${manifest.digest}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    let running = this.#running.get(key)
    if (running === undefined) {
      running = this.#look(key, closureOf(this.#parts, repository, manifest, parsed))
      this.#running.set(key, running)
    }
    return patiently(running)
  }

  /** Platforms of the indexes of the repository that list it. */
  async listedBy(repository: RepositoryName, digest: Digest): Promise<readonly (readonly string[])[]> {
    const platforms: (readonly string[])[] = []
    const { contents } = this.#metadata
    const parents = await contents.parents(repository, digest, { limit: mostParents })
    for (const parent of parents.items) {
      if (!isIndexType(parent.mediaType)) continue
      const manifest = await this.#metadata.findManifest(repository, parent.digest)
      if (manifest === undefined) continue
      const { fact } = await this.ofManifest(repository, manifest)
      if (fact.kind === 'known') platforms.push(fact.content.platforms)
    }
    return platforms
  }

  /** Of a blob; `repositories`: where it may be. `sha256`: of its bytes, where that is known. */
  ofBlob(
    repositories: readonly RepositoryName[],
    digest: Digest,
    sha256?: Digest,
  ): SeenContent | Promise<SeenContent> {
    if (digestAlgorithm(digest) === 'sha256') return blobFact([digest], true)
    const twin = sha256 ?? this.#parts.twins.ofBlob(repositories, digest)
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

/** With what there is beside them, as large as so many. */
function digestsIn({ fact }: SeenContent): number {
  return 8 + (fact.kind === 'known' ? fact.content.contains.length : 0)
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
