import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseDigest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import { ociImageIndex } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Tag } from '../oci/tag.ts'
import type { Listing, PageRequest, Registry } from '../registry/registry.ts'
import { pageReply, wholeReply } from './listing-reply.ts'
import { referrersIndex } from './referrers-reply.ts'
import type { RegistryRequest } from './registry-request.ts'
import { jsonReply, type FlatHeaders, type Reply } from './reply.ts'
import { route, type Route } from './route.ts'

/** Names of one page at most: a client that wants more follows the Link. */
const mostNames = 5000
/** Names that a caller's rights are asked for between two rounds of the event loop: each asks every rule. */
const judgedAtOnce = 100

export function listingRoutes({ listings }: Registry): Route[] {
  return [
    route(['GET', 'HEAD'], '/v2/<name>/tags/list', 'pull', async (request, { name }) => {
      const page = pageOf(request)
      const tags = await listings.tags(name, page)
      if (tags === undefined) throw unknownRepository(name)
      const list = { path: `/v2/${name}/tags/list`, before: { name }, key: 'tags' }
      if (page.limit !== undefined) return pageReply(list, page, tags)
      return wholeReply(list, tagPages(listings, name, tags))
    }),
    route(['GET', 'HEAD'], '/v2/_catalog', 'list', async (request) => {
      const page = pageOf(request)
      const visible = visibleRepositories(listings, request, page.after)
      const list = { path: '/v2/_catalog', before: {}, key: 'repositories' }
      if (page.limit !== undefined) return pageReply(list, page, await firstOf(visible, page.limit))
      return wholeReply(list, visible)
    }),
    // An extension as the distribution-spec has them: `_<extension>/<component>/<module>`.
    route(['GET', 'HEAD'], '/v2/<name>/_trow/manifests/untagged', 'list', (request, { name }) =>
      untaggedReply(listings, name, request),
    ),
    route(['GET', 'HEAD'], '/v2/<name>/referrers/<digest>', 'pull', async (request, { name, digest }) => {
      // Clients send the + of `+json` as it is, which a form would mean as a blank. An empty one filters nothing.
      const artifactType = request.queryText('artifactType') || undefined
      const after = request.query.get('last') ?? undefined
      const found = await listings.referrers(name, digest, { artifactType, after })
      const headers: FlatHeaders = ['Content-Type', ociImageIndex]
      if (artifactType !== undefined) headers.push('OCI-Filters-Applied', 'artifactType')
      if (found.next !== undefined) {
        const filter = artifactType === undefined ? '' : `artifactType=${encodeURIComponent(artifactType)}&`
        const last = encodeURIComponent(found.next)
        headers.push('Link', `</v2/${name}/referrers/${digest}?${filter}last=${last}>; rel="next"`)
      }
      return { status: 200, headers, body: Buffer.from(referrersIndex(found.items)) }
    }),
  ]
}

async function* tagPages(
  listings: Registry['listings'],
  name: RepositoryName,
  first: Listing<Tag>,
): AsyncGenerator<readonly Tag[]> {
  let page: Listing<Tag> | undefined = first
  while (page !== undefined) {
    yield page.items
    if (page.next === undefined) return
    await nextTurn()
    page = await listings.tags(name, { limit: undefined, after: page.next })
  }
}

/** The repositories that the caller may list, page by page. */
async function* visibleRepositories(
  listings: Registry['listings'],
  { caller }: RegistryRequest,
  from: string | undefined,
): AsyncGenerator<readonly RepositoryName[]> {
  for (let after = from; ;) {
    const part = await listings.repositories({ limit: undefined, after })
    const items: RepositoryName[] = []
    for (const [index, name] of part.items.entries()) {
      if (caller !== undefined && index % judgedAtOnce === judgedAtOnce - 1) await nextTurn()
      const allowed = caller === undefined || caller.can('list', name)
      if (typeof allowed === 'boolean' ? allowed : await allowed) items.push(name)
    }
    if (items.length > 0) yield items
    if (part.next === undefined) return
    await nextTurn()
    after = part.next
  }
}

/** `next` is one of them, and there only where another one follows: a hidden name is no place to go on from. */
async function firstOf(
  pages: AsyncGenerator<readonly RepositoryName[]>,
  limit: number,
): Promise<Listing<RepositoryName>> {
  const most = Math.min(limit, mostNames)
  const items: RepositoryName[] = []
  if (most === 0) return { items, next: undefined }
  for await (const page of pages) {
    items.push(...page)
    if (items.length > most) return { items: items.slice(0, most), next: items[most - 1] }
  }
  return { items, next: undefined }
}

function pageOf(request: RegistryRequest): PageRequest {
  if (!request.hasQuery) return { limit: undefined, after: undefined }
  const n = request.query.get('n')
  const after = request.query.get('last') ?? undefined
  if (n === null || n === '') return { limit: undefined, after }
  // More than there can be is as good as all of them.
  if (/^\d+$/.test(n)) return { limit: Math.min(Number(n), Number.MAX_SAFE_INTEGER), after }
  throw new OciError('PAGINATION_NUMBER_INVALID', 'the number of results is not valid', {
    detail: `n=${n.slice(0, 100)}: n is a whole number from 0`,
  })
}

/** ISO 8601 in UTC, bytes, and milliseconds. */
async function untaggedReply(
  listings: Registry['listings'],
  name: RepositoryName,
  request: RegistryRequest,
): Promise<Reply> {
  const page = pageOf(request)
  const digest = request.query.get('digest')
  const found =
    digest === null
      ? await listings.untagged(name, page)
      : await listings.untaggedManifest(name, parseDigest(digest))
  if (found === undefined) throw unknownRepository(name)
  const manifests = found.items.map(({ untaggedSince, freed, ...facts }) => ({
    ...facts,
    untaggedSince: new Date(untaggedSince).toISOString(),
    frees: freed.bytes,
    children: freed.children,
  }))
  const limit = page.limit === undefined ? '' : `n=${page.limit}&`
  const next = `/v2/${name}/_trow/manifests/untagged?${limit}last=${found.next}`
  const headers: FlatHeaders = found.next === undefined ? [] : ['Link', `<${next}>; rel="next"`]
  return jsonReply(200, { name, expireAfter: found.expireAfter, manifests }, headers)
}

function unknownRepository(name: RepositoryName): OciError {
  return new OciError('NAME_UNKNOWN', 'the repository is not known', { detail: { name } })
}

export function baseRoutes(): Route[] {
  const ping = (): Reply => jsonReply(200, {})
  const extensions = (): Reply => jsonReply(200, { extensions: [] })
  return [
    route(['GET', 'HEAD'], '/v2/', 'login', ping),
    route(['GET', 'HEAD'], '/v2', 'login', ping),
    route(['GET', 'HEAD'], '/v2/_oci/ext/discover', 'login', extensions),
    route(['GET', 'HEAD'], '/v2/<name>/_oci/ext/discover', 'pull', extensions),
  ]
}
