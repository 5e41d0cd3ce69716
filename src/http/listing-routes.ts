import { OciError } from '../oci/oci-error.ts'
import { ociImageIndex } from '../oci/media-types.ts'
import type { ReferrerRecord } from '../metadata/records.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Listing, PageRequest, Registry } from '../registry/registry.ts'
import type { RegistryRequest } from './registry-request.ts'
import { jsonReply, type FlatHeaders, type Reply } from './reply.ts'
import { route, type Route } from './route.ts'

/** Read at once, when only some of them may be shown. */
const scanned = 1000

export function listingRoutes({ listings }: Registry): Route[] {
  return [
    route(['GET', 'HEAD'], '/v2/<name>/tags/list', 'pull', async (request, { name }) => {
      const page = pageOf(request)
      const tags = await listings.tags(name, page)
      if (tags === undefined) {
        throw new OciError('NAME_UNKNOWN', 'the repository is not known', { detail: { name } })
      }
      return jsonReply(200, { name, tags: tags.items }, nextLink(`/v2/${name}/tags/list`, page, tags))
    }),
    route(['GET', 'HEAD'], '/v2/_catalog', 'list', async (request) => {
      const page = pageOf(request)
      const found = await visibleRepositories(listings, request, page)
      return jsonReply(200, { repositories: found.items }, nextLink('/v2/_catalog', page, found))
    }),
    route(['GET', 'HEAD'], '/v2/<name>/referrers/<digest>', 'pull', async (request, { name, digest }) => {
      // Clients send the + of `+json` as it is, which a query otherwise means as a space.
      const artifactType = request.query.get('artifactType')?.replaceAll(' ', '+')
      const after = request.query.get('last') ?? undefined
      const found = await listings.referrers(name, digest, { artifactType, after })
      const headers: FlatHeaders = ['Content-Type', ociImageIndex]
      if (artifactType !== undefined) headers.push('OCI-Filters-Applied', 'artifactType')
      if (found.next !== undefined) {
        const query = new URLSearchParams(artifactType === undefined ? {} : { artifactType })
        query.set('last', found.next)
        headers.push('Link', `</v2/${name}/referrers/${digest}?${query.toString()}>; rel="next"`)
      }
      return { status: 200, headers, body: Buffer.from(JSON.stringify(referrersIndex(found.items))) }
    }),
  ]
}

/** The repositories that the caller may list. `next` is one of them: a hidden name is no place to go on from. */
async function visibleRepositories(
  listings: Registry['listings'],
  { caller }: RegistryRequest,
  page: PageRequest,
): Promise<Listing<RepositoryName>> {
  if (caller === undefined || page.limit === 0) return listings.repositories(page)
  const items: RepositoryName[] = []
  for (let after = page.after; ;) {
    const part = await listings.repositories({ limit: scanned, after })
    for (const [index, name] of part.items.entries()) {
      const allowed = caller.can('list', name)
      if (!(typeof allowed === 'boolean' ? allowed : await allowed)) continue
      items.push(name)
      if (items.length !== page.limit) continue
      const last = part.next === undefined && index === part.items.length - 1
      return { items, next: last ? undefined : name }
    }
    if (part.next === undefined) return { items, next: undefined }
    after = part.next
  }
}

function referrersIndex(records: readonly ReferrerRecord[]): unknown {
  return {
    schemaVersion: 2,
    mediaType: ociImageIndex,
    // JSON.stringify leaves out what is undefined.
    manifests: records.map(({ mediaType, size, digest, artifactType, annotations }) => ({
      mediaType,
      digest,
      size,
      artifactType,
      annotations,
    })),
  }
}

function pageOf(request: RegistryRequest): PageRequest {
  if (!request.hasQuery) return { limit: undefined, after: undefined }
  const n = request.query.get('n')
  const after = request.query.get('last') ?? undefined
  if (n === null || n === '') return { limit: undefined, after }
  if (/^\d{1,9}$/.test(n)) return { limit: Number(n), after }
  throw new OciError('PAGINATION_NUMBER_INVALID', 'the number of results is not valid', {
    detail: `n=${n.slice(0, 100)}: n is a whole number from 0`,
  })
}

/** Relative: clients refuse a Link to another scheme or host. */
function nextLink(path: string, { limit }: PageRequest, { next }: Listing<string>): FlatHeaders {
  if (next === undefined || limit === undefined) return []
  return ['Link', `<${path}?n=${limit}&last=${encodeURIComponent(next)}>; rel="next"`]
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
