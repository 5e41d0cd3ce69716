import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Page, ReferrerPage, ReferrerRecord, UntaggedRecord } from '../metadata/records.ts'
import type { Digest } from '../oci/digest.ts'
import { referrersTag } from '../oci/referrers-tag.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Tag } from '../oci/tag.ts'
import type {
  Listing,
  Listings,
  PageRequest,
  RepositoryListing,
  UntaggedListing,
  UntaggedManifest,
} from './registry.ts'
import type { RegistryParts } from './settings.ts'
import { untaggedLimit } from './untagged-policy.ts'

/** Names of one page, and repositories that are examined for one page: a few milliseconds. */
const namesAtOnce = 5000
const repositoriesAtOnce = 1000
const referrersAtOnce = 1000
/** Repositories that are counted in one turn of the event loop. */
const figuresAtOnce = 50
/**
 * Manifests of one page, and contents of each that are examined to count what it frees: some ten milliseconds
 * at most.
 */
const untaggedAtOnce = 100
const countedAtOnce = 200
/** Distribution-spec: a referrers reply should not exceed 4 MiB. */
const referrersBytes = 3.5 * 1024 * 1024
/** Bytes of one entry without its annotations and its type. */
const entryBytes = 300

export class ListingRules implements Listings {
  readonly #parts: RegistryParts

  constructor(parts: RegistryParts) {
    this.#parts = parts
  }

  async tags(repository: RepositoryName, { limit, after }: PageRequest): Promise<Listing<Tag> | undefined> {
    const { metadata } = this.#parts
    if (limit === 0) return (await metadata.hasRepository(repository)) ? nothing : undefined
    return metadata.listTags(repository, {
      limit: Math.min(limit ?? namesAtOnce, namesAtOnce),
      ...(after === undefined ? {} : { after }),
    })
  }

  repositories({ limit, after }: PageRequest): Promise<Listing<RepositoryName>> {
    if (limit === 0) return Promise.resolve(nothing)
    return this.#parts.metadata.listRepositories({
      limit: Math.min(limit ?? repositoriesAtOnce, repositoriesAtOnce),
      ...(after === undefined ? {} : { after }),
    })
  }

  async figures(names: readonly RepositoryName[]): Promise<readonly RepositoryListing[]> {
    const found: RepositoryListing[] = []
    for (let from = 0; from < names.length; from += figuresAtOnce) {
      if (from > 0) await nextTurn()
      const part = names.slice(from, from + figuresAtOnce)
      const figures = await Promise.all(part.map((name) => this.#parts.metadata.inventory.figures(name)))
      for (const [index, name] of part.entries()) {
        const of = figures[index]
        if (of !== undefined && of.manifests > 0) found.push({ name, ...of })
      }
    }
    return found
  }

  async referrers(
    repository: RepositoryName,
    subject: Digest,
    {
      artifactType,
      after,
    }: { readonly artifactType: string | undefined; readonly after: string | undefined },
  ): Promise<Listing<ReferrerRecord>> {
    const page = { artifactType, after, limit: referrersAtOnce, bytes: referrersBytes }
    const known = await this.#parts.metadata.listReferrers(repository, subject, page)
    const tagged = await this.#taggedReferrers(repository, subject, page)
    if (tagged.items.length === 0 && tagged.next === undefined) return cutToSize(known.items, known.next)
    const next = first(known.next, tagged.next)
    const merged = new Map<string, ReferrerRecord>()
    for (const record of [...tagged.items, ...known.items]) {
      if (next === undefined || record.digest <= next) merged.set(record.digest, record)
    }
    const sorted = [...merged.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1))
    return cutToSize(sorted, next)
  }

  async untagged(
    repository: RepositoryName,
    { limit, after }: PageRequest,
  ): Promise<UntaggedListing | undefined> {
    const { metadata } = this.#parts
    const page = await metadata.untagged.list(repository, {
      limit: Math.min(limit ?? untaggedAtOnce, untaggedAtOnce),
      ...(after === undefined ? {} : { after }),
    })
    if (page === undefined) return undefined
    const items = await Promise.all(page.items.map((record) => this.#withFreed(repository, record)))
    return { items, next: page.next, expireAfter: this.#expiryOf(repository) }
  }

  async untaggedManifest(repository: RepositoryName, digest: Digest): Promise<UntaggedListing> {
    const record = await this.#parts.metadata.untagged.find(repository, digest)
    const items = record === undefined ? [] : [await this.#withFreed(repository, record)]
    return { items, next: undefined, expireAfter: this.#expiryOf(repository) }
  }

  #expiryOf(repository: RepositoryName): number | undefined {
    return untaggedLimit(this.#parts.untagged())(repository)
  }

  async #withFreed(repository: RepositoryName, record: UntaggedRecord): Promise<UntaggedManifest> {
    const found = await this.#parts.metadata.untagged.freedByRemoval(repository, record.digest, countedAtOnce)
    return { ...record, freed: found ?? { bytes: undefined, children: undefined } }
  }

  /**
   * Referrers that a client without the referrers API has listed under the fallback tag, as far as they still
   * exist. Uses what was recorded when the index and its entries were pushed: neither is read again.
   */
  async #taggedReferrers(
    repository: RepositoryName,
    subject: Digest,
    page: ReferrerPage,
  ): Promise<Page<ReferrerRecord>> {
    const tag = referrersTag(subject)
    let found = await this.#parts.metadata.listIndexed(repository, tag, page)
    // Whole pages may consist of entries that were deleted or have another type.
    while (found.items.length === 0 && found.next !== undefined) {
      await nextTurn()
      found = await this.#parts.metadata.listIndexed(repository, tag, { ...page, after: found.next })
    }
    return found
  }
}

const nothing = { items: [], next: undefined }

function first(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return one < other ? one : other
}

function cutToSize(records: readonly ReferrerRecord[], next: string | undefined): Listing<ReferrerRecord> {
  let bytes = 0
  for (const [index, { annotations, artifactType }] of records.entries()) {
    bytes += entryBytes + (annotations?.length ?? 0) + (artifactType?.length ?? 0)
    if (bytes > referrersBytes && index > 0) {
      return { items: records.slice(0, index), next: records[index - 1]?.digest }
    }
  }
  return { items: records, next }
}
