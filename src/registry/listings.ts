import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Page, ReferrerPage, ReferrerRecord, UntaggedRecord } from '../metadata/records.ts'
import type { Digest } from '../oci/digest.ts'
import { referrersTag } from '../oci/referrers-tag.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Tag } from '../oci/tag.ts'
import type { Listing, Listings, PageRequest, UntaggedListing, UntaggedManifest } from './registry.ts'
import type { RegistryParts } from './settings.ts'
import { untaggedLimit } from './untagged-policy.ts'

/** Names of one page, and repositories that are looked at for one: a few milliseconds. */
const namesAtOnce = 5000
const repositoriesAtOnce = 1000
const referrersAtOnce = 1000
/** Manifests of one page, and what is looked at of each for what it frees: some ten milliseconds at most. */
const untaggedAtOnce = 100
const countedAtOnce = 200
/** Distribution-spec: a referrers reply should not exceed 4 MiB. */
const referrersBytes = 3.5 * 1024 * 1024
/** Of one entry beside its annotations and its type. */
const entryBytes = 300

export class ListingRules implements Listings {
  readonly #parts: RegistryParts
  readonly #limitOf: ReturnType<typeof untaggedLimit>

  constructor(parts: RegistryParts) {
    this.#parts = parts
    this.#limitOf = untaggedLimit(parts.untagged)
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
    return { items, next: page.next, expireAfter: this.#limitOf(repository) }
  }

  async untaggedManifest(repository: RepositoryName, digest: Digest): Promise<UntaggedListing> {
    const record = await this.#parts.metadata.untagged.find(repository, digest)
    const items = record === undefined ? [] : [await this.#withFreed(repository, record)]
    return { items, next: undefined, expireAfter: this.#limitOf(repository) }
  }

  async #withFreed(repository: RepositoryName, record: UntaggedRecord): Promise<UntaggedManifest> {
    const found = await this.#parts.metadata.untagged.freedByRemoval(repository, record.digest, countedAtOnce)
    return { ...record, freed: found ?? { bytes: undefined, children: undefined } }
  }

  /**
   * What a client that knew no referrers API has listed under the fallback tag, as far as it still exists. Takes what
   * was noted when the index and its entries were pushed: neither is read again.
   */
  async #taggedReferrers(
    repository: RepositoryName,
    subject: Digest,
    page: ReferrerPage,
  ): Promise<Page<ReferrerRecord>> {
    const tag = referrersTag(subject)
    let found = await this.#parts.metadata.listIndexed(repository, tag, page)
    // Entries that are gone, or of another type, may fill whole pages.
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
