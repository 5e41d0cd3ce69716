import type { SeenSince, TagTarget } from '../metadata/history-store.ts'
import { parseDigest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { parseTag } from '../oci/tag.ts'
import type { Registry } from '../registry/registry.ts'
import { pageOf } from './page-request.ts'
import type { ServerRequest } from './server-request.ts'
import { jsonReply, type FlatHeaders, type Reply } from './reply.ts'
import { route, type Route } from './route.ts'

/** Extensions of the distribution-spec (`_<extension>/<component>/<module>`). Times are ISO 8601 in UTC. */
export function historyRoutes({ history }: Registry): Route[] {
  return [
    route(['GET', 'HEAD'], '/v2/<name>/_trow/manifests/history', 'pull', async (request, { name }) => {
      const digest = parseDigest(request.query.get('digest') ?? '')
      const seen = await history.manifest(name, digest)
      if (seen === undefined) {
        throw new OciError('MANIFEST_UNKNOWN', 'the repository has never held the manifest', {
          detail: { name, digest },
        })
      }
      return jsonReply(200, { name, digest, ...seenText(seen), removedAt: timeText(seen.removedAt) })
    }),
    route(['GET', 'HEAD'], '/v2/<name>/_trow/tags/history', 'pull', async (request, { name }) => {
      const tag = parseTag(request.query.get('tag') ?? '')
      const targets = await history.tag(name, tag)
      if (targets.length === 0) {
        throw new OciError('MANIFEST_UNKNOWN', 'the tag has never existed', { detail: { name, tag } })
      }
      return targetsReply({ name, tag }, request, targets)
    }),
  ]
}

/** Latest first. `last` is the `sequence` of the last target of the page before. */
function targetsReply(
  { name, tag }: { readonly name: RepositoryName; readonly tag: string },
  request: ServerRequest,
  targets: readonly TagTarget[],
): Reply {
  const { limit, after } = pageOf(request)
  const older = targets.filter(({ sequence }) => after === undefined || sequence < Number(after))
  const items = older.slice(0, limit)
  const last = items.at(-1)?.sequence
  const next = `/v2/${name}/_trow/tags/history?tag=${tag}&n=${limit}&last=${last}`
  const headers: FlatHeaders =
    last === undefined || items.length === older.length ? [] : ['Link', `<${next}>; rel="next"`]
  return jsonReply(200, { name, tag, targets: items.map(targetText) }, headers)
}

function targetText({ sequence, digest, end, ...seen }: TagTarget): Record<string, unknown> {
  return { sequence, digest, ...seenText(seen), until: timeText(end?.at), end: end?.kind }
}

function seenText({ since, atLatest, pusher }: SeenSince): Record<string, unknown> {
  return { since: timeText(since), atLatest, pusher }
}

function timeText(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString()
}
