import type { MetadataStore } from '../metadata/metadata-store.ts'
import { isDigest, type Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import type { ContentFact } from '../policy/image-content.ts'
import { ContentFacts, type FactSources } from './content-facts.ts'

/** What the admission pods are told of an image. */
export interface ToldFact {
  /** What the reference is now; undefined: it is not there. */
  readonly digest: Digest | undefined
  readonly fact: ContentFact
  /** False: it may be another one soon, although the digest stays. */
  readonly isSettled: boolean
}

/** Facts of the registry's content for the admission pods, which judge by them. */
export class AdmissionFacts {
  readonly #metadata: Pick<MetadataStore, 'findManifest'>
  readonly #facts: ContentFacts

  constructor(sources: FactSources) {
    this.#metadata = sources.metadata
    this.#facts = new ContentFacts(sources)
  }

  async of(repository: RepositoryName, reference: Reference): Promise<ToldFact> {
    const manifest = await this.#metadata.findManifest(repository, reference)
    if (manifest === undefined) return { digest: undefined, fact: { kind: 'absent' }, isSettled: false }
    const { fact, isSettled } = await this.#facts.ofManifest(repository, manifest, { platforms: true })
    const { digest } = manifest
    // Nodes fetch the child of an index by digest; a tag names an image of its own.
    if (fact.kind !== 'known' || !isDigest(reference)) return { digest, fact, isSettled }
    const listedBy = await this.#facts.listedBy(repository, digest)
    return { digest, fact: { kind: 'known', content: { ...fact.content, listedBy } }, isSettled }
  }
}
