import { isDigest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { parseTag, type Reference, type Tag } from '../oci/tag.ts'
import type { ManifestContent, Registry } from '../registry/registry.ts'
import { entityTag, matchesEntity } from './conditions.ts'
import { readWhole, type BodyPlace } from './read-whole.ts'
import type { ServerRequest } from './server-request.ts'
import type { FlatHeaders, Reply } from './reply.ts'
import { route, type Route } from './route.ts'
import { markStale } from './stale-reply.ts'

const path = '/v2/<name>/manifests/<reference>'
const tagLimit = 100

export function manifestRoutes({ manifests }: Registry, place: BodyPlace): Route[] {
  return [
    route(['GET', 'HEAD'], path, 'pull', async (request, { name, reference }) => {
      const manifest = await manifests.get(request.requester, name, reference)
      if (manifest === undefined) throw manifestUnknown(name, reference)
      return manifestReply(request, manifest, isDigest(reference))
    }),
    route(['PUT'], path, 'push', async (request, { name, reference }) => {
      const tags = tagsOf(request, reference)
      const { body, release } = await readWhole(request, manifests.sizeLimit, place)
      try {
        const contentType = request.header('content-type')?.split(';')[0]?.trim()
        const { requester } = request
        const stored = await manifests.put({
          requester,
          repository: name,
          reference,
          tags,
          contentType,
          body,
        })
        const headers: FlatHeaders = [
          'Location',
          `/v2/${name}/manifests/${reference}`,
          'Docker-Content-Digest',
          stored.digest,
        ]
        if (stored.subject !== undefined) headers.push('OCI-Subject', stored.subject)
        if (tags.length > 0) headers.push('OCI-Tag', tags.join(', '))
        return { status: 201, headers }
      } finally {
        release()
      }
    }),
    route(['DELETE'], path, 'delete', async (request, { name, reference }) => {
      if (!(await manifests.remove(request.requester, name, reference)))
        throw manifestUnknown(name, reference)
      return { status: 202, headers: [] }
    }),
  ]
}

function manifestReply(request: ServerRequest, manifest: ManifestContent, byDigest: boolean): Reply {
  const etag = entityTag(manifest.digest)
  const headers: FlatHeaders = [
    'Content-Type',
    manifest.mediaType,
    'Docker-Content-Digest',
    manifest.digest,
    'ETag',
    etag,
  ]
  // A tag may move, so caches must revalidate.
  headers.push('Cache-Control', byDigest ? 'max-age=31536000, immutable' : 'no-cache')
  markStale(headers, manifest)
  if (matchesEntity(request.header('if-none-match'), etag)) return { status: 304, headers }
  return { status: 200, headers, body: manifest.body, digest: manifest.digest }
}

function tagsOf(request: ServerRequest, reference: Reference): readonly Tag[] {
  if (!request.hasQuery) return []
  const tags = request.query.getAll('tag').map(parseTag)
  if (tags.length === 0) return []
  if (!isDigest(reference)) {
    throw new OciError('TAG_INVALID', 'tags may be given only with a push by digest', {
      detail: 'push to manifests/<digest>?tag=…, or to manifests/<tag> without ?tag=',
    })
  }
  if (tags.length > tagLimit) {
    throw new OciError('TAG_INVALID', 'too many tags', { detail: `at most ${tagLimit} in one request` })
  }
  return [...new Set(tags)]
}

function manifestUnknown(name: RepositoryName, reference: Reference): OciError {
  return new OciError('MANIFEST_UNKNOWN', 'the manifest is not known', {
    detail: { repository: name, reference },
  })
}
