import type { Page, ReferrerRecord } from '../metadata/records.ts'
import type { Digest } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import { isIndexType } from '../oci/media-types.ts'
import { referrersTag } from '../oci/referrers-tag.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Tag } from '../oci/tag.ts'
import type { Listing, Listings, PageRequest } from './registry.ts'
import type { RegistryParts } from './settings.ts'

const batch = 5000
const referrersBatch = 1000
/** Distribution-spec: a referrers reply should not exceed 4 MiB. */
const referrersBytes = 3.5 * 1024 * 1024

export class ListingRules implements Listings {
  readonly #parts: RegistryParts

  constructor(parts: RegistryParts) {
    this.#parts = parts
  }

  async tags(repository: RepositoryName, page: PageRequest): Promise<Listing<Tag> | undefined> {
    const { metadata } = this.#parts
    if (page.limit === 0 && !(await metadata.hasRepository(repository))) return undefined
    let known = true
    const listing = await collect(page, async (part) => {
      const tags = await metadata.listTags(repository, part)
      known &&= tags !== undefined
      return tags ?? { items: [], next: undefined }
    })
    return known ? listing : undefined
  }

  repositories(page: PageRequest): Promise<Listing<RepositoryName>> {
    return collect(page, (part) => this.#parts.metadata.listRepositories(part))
  }

  async referrers(
    repository: RepositoryName,
    subject: Digest,
    {
      artifactType,
      after,
    }: { readonly artifactType: string | undefined; readonly after: string | undefined },
  ): Promise<Listing<ReferrerRecord>> {
    const known = await this.#parts.metadata.listReferrers(repository, subject, {
      limit: referrersBatch,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(after === undefined ? {} : { after }),
    })
    const tagged = await this.#taggedReferrers(repository, subject)
    const merged = new Map<string, ReferrerRecord>()
    for (const record of tagged) {
      if (artifactType !== undefined && record.artifactType !== artifactType) continue
      if (after !== undefined && record.digest <= after) continue
      if (known.next === undefined || record.digest <= known.next) merged.set(record.digest, record)
    }
    for (const record of known.items) merged.set(record.digest, record)
    return cutToSize(
      [...merged.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1)),
      known.next,
    )
  }

  /** What a client that knew no referrers API has listed under the fallback tag, as far as it still exists. */
  async #taggedReferrers(repository: RepositoryName, subject: Digest): Promise<ReferrerRecord[]> {
    const { metadata } = this.#parts
    const index = await metadata.findManifest(repository, referrersTag(subject))
    if (index === undefined || !isIndexType(index.mediaType)) return []
    const records: ReferrerRecord[] = []
    for (const { digest } of parseManifest(index.body, index.mediaType).manifests) {
      const found = await metadata.findManifest(repository, digest)
      if (found === undefined) continue
      const { artifactType, annotations } = parseManifest(found.body, found.mediaType)
      records.push({ digest, mediaType: found.mediaType, size: found.size, artifactType, annotations })
    }
    return records
  }
}

function cutToSize(records: readonly ReferrerRecord[], next: string | undefined): Listing<ReferrerRecord> {
  let bytes = 0
  for (const [index, record] of records.entries()) {
    bytes += 300 + JSON.stringify(record.annotations ?? {}).length
    if (bytes > referrersBytes && index > 0) {
      return { items: records.slice(0, index), next: records[index - 1]?.digest }
    }
  }
  return { items: records, next }
}

/** `limit` entries, or all of them, in several reads that are short each. */
async function collect<Item extends string>(
  { limit, after }: PageRequest,
  read: (page: { after?: string; limit: number }) => Promise<Page<Item>>,
): Promise<Listing<Item>> {
  if (limit === 0) return { items: [], next: undefined }
  const items: Item[] = []
  for (let start = after; ;) {
    const wanted = Math.min(batch, (limit ?? Infinity) - items.length)
    const page = await read({ limit: wanted, ...(start === undefined ? {} : { after: start }) })
    // Nearly always the whole answer: not copied.
    if (items.length === 0 && (page.next === undefined || page.items.length === limit)) return page
    items.push(...page.items)
    if (page.next === undefined || items.length === limit) return { items, next: page.next }
    start = page.next
  }
}
