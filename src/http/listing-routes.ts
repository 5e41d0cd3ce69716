import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseDigest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import { ociImageIndex } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Tag } from '../oci/tag.ts'
import type { Listing, Registry } from '../registry/registry.ts'
import { nextLink, pageReply, wholeReply } from './listing-reply.ts'
import { pageOf } from './page-request.ts'
import { referrersIndex } from './referrers-reply.ts'
import type { ServerRequest } from './server-request.ts'
import { jsonReply, type FlatHeaders, type Reply } from './reply.ts'
import { route, type Route } from './route.ts'
import { markStale } from './stale-reply.ts'

/** Most names of one page: a client that wants more follows the Link. */
const mostNames = 5000
/** Most repositories of one page with figures: each is counted. */
const mostFigures = 1000
const figuresPath = '/v2/_trow/repositories/figures'
/** Names whose rights are decided in one turn of the event loop: each decision evaluates every rule. */
const judgedAtOnce = 100

export function listingRoutes({ listings }: Registry): Route[] {
  return [
    route(['GET', 'HEAD'], '/v2/<name>/tags/list', 'pull', async (request, { name }) => {
      const page = pageOf(request)
      const tags = await listings.tags(name, page)
      if (tags === undefined) throw unknownRepository(name)
      const list = { path: `/v2/${name}/tags/list`, before: { name }, key: 'tags' }
      const reply =
        page.limit === undefined
          ? await wholeReply(list, tagPages(listings, name, tags))
          : pageReply(list, page, tags)
      markStale(reply.headers, tags)
      return reply
    }),
    route(['GET', 'HEAD'], '/v2/_catalog', 'list', async (request) => {
      const page = pageOf(request)
      const visible = visibleRepositories(listings, request, page.after)
      const list = { path: '/v2/_catalog', before: {}, key: 'repositories' }
      if (page.limit !== undefined) return pageReply(list, page, await firstOf(visible, page.limit))
      return wholeReply(list, visible)
    }),
    // Extensions in the form of the distribution-spec: `_<extension>/<component>/<module>`.
    route(['GET', 'HEAD'], figuresPath, 'list', (request) => figuresReply(listings, request)),
    route(['GET', 'HEAD'], '/v2/<name>/_trow/manifests/untagged', 'list', (request, { name }) =>
      untaggedReply(listings, name, request),
    ),
    route(['GET', 'HEAD'], '/v2/<name>/referrers/<digest>', 'pull', async (request, { name, digest }) => {
      // Clients send the + of `+json` unencoded; form decoding would turn it into a blank. An empty
      // artifactType filters nothing.
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
  { caller }: ServerRequest,
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

/**
 * `next` is the last of the returned names, and set only if another one follows: a name that the caller may
 * not see must not appear in the Link.
 */
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

/** The repositories of `_catalog`, with what each holds. Times are ISO 8601 in UTC. */
async function figuresReply(listings: Registry['listings'], request: ServerRequest): Promise<Reply> {
  const { limit = mostFigures, after } = pageOf(request)
  const page = { limit: Math.min(limit, mostFigures), after }
  const names = await firstOf(visibleRepositories(listings, request, after), page.limit)
  const found = await listings.figures(names.items)
  const repositories = found.map(({ pushedAt, ...figures }) => {
    return { ...figures, pushedAt: new Date(pushedAt).toISOString() }
  })
  return jsonReply(200, { repositories }, nextLink(figuresPath, page, names))
}

/** Times are ISO 8601 in UTC, sizes are bytes, `expireAfter` is in milliseconds. */
async function untaggedReply(
  listings: Registry['listings'],
  name: RepositoryName,
  request: ServerRequest,
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
