import type { ByteRange } from '../oci/byte-range.ts'
import { parseDigest, parseDigestAlgorithm, type Digest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import { isRepositoryName, type RepositoryName } from '../oci/repository-name.ts'
import type { Registry, UploadStatus } from '../registry/registry.ts'
import { parseContentRange } from './range.ts'
import type { ServerRequest } from './server-request.ts'
import type { Reply } from './reply.ts'
import { route, type Route } from './route.ts'

/** A mount that names no source is tried with at most so many repositories that hold the blob. */
const mountSources = 16
const session = '/v2/<name>/blobs/uploads/<upload>'

export function uploadRoutes(registry: Registry): Route[] {
  const { uploads } = registry
  const open = (request: ServerRequest, { name }: { name: RepositoryName }): Promise<Reply> =>
    openUpload(registry, request, name)
  return [
    route(['POST'], '/v2/<name>/blobs/uploads/', 'push', open),
    route(['POST'], '/v2/<name>/blobs/uploads', 'push', open),
    route(['GET', 'HEAD'], session, 'push', async ({ requester }, { name, upload: id }) => {
      const upload = await uploads.status({ requester, repository: name, id })
      if (upload === undefined) throw uploadUnknown()
      return { status: 204, headers: uploadHeaders(upload, '0--1') }
    }),
    route(['PATCH'], session, 'push', async (request, { name, upload: id }) => {
      const { requester } = request
      const upload = await uploads.append(
        { requester, repository: name, id },
        { range: rangeOf(request), ...request.body() },
        request.signal,
      )
      return { status: 202, headers: uploadHeaders(upload, '0-0') }
    }),
    route(['PUT'], session, 'push', async (request, { name, upload: id }) => {
      const digest = digestOf(request)
      const range = rangeOf(request)
      const body = request.hasBody || range !== undefined ? { range, ...request.body() } : undefined
      const blob = { requester: request.requester, repository: name, digest }
      await uploads.finish(id, blob, body, request.signal)
      return created(name, digest)
    }),
    route(['DELETE'], session, 'push', async ({ requester }, { name, upload: id }) => {
      if (!(await uploads.cancel({ requester, repository: name, id }))) throw uploadUnknown()
      return { status: 204, headers: ['Docker-Upload-UUID', id] }
    }),
  ]
}

/** Location, Range and UUID of an upload. `none`: the value of Range while nothing has been received. */
export function uploadHeaders({ repository, id, offset }: UploadStatus, none: '0-0' | '0--1'): string[] {
  return [
    'Location',
    `/v2/${repository}/blobs/uploads/${id}`,
    'Range',
    offset === 0 ? none : `0-${offset - 1}`,
    'Docker-Upload-UUID',
    id,
  ]
}

async function openUpload(registry: Registry, request: ServerRequest, name: RepositoryName): Promise<Reply> {
  const { query } = request
  const mount = query.get('mount')
  if (mount !== null && (await mounted(registry, request, name, parseDigest(mount)))) {
    return created(name, parseDigest(mount))
  }
  const digest = query.get('digest')
  if (mount === null && digest !== null) {
    const parsed = parseDigest(digest)
    const blob = { requester: request.requester, repository: name, digest: parsed }
    await registry.uploads.single(blob, { range: rangeOf(request), ...request.body() }, request.signal)
    return created(name, parsed)
  }
  const algorithm = query.get('digest-algorithm')
  const upload = await registry.uploads.open(
    request.requester,
    name,
    algorithm === null ? undefined : parseDigestAlgorithm(algorithm),
  )
  return { status: 202, headers: uploadHeaders(upload, '0-0') }
}

/**
 * A mount that fails is no error: the client gets an upload instead. A source that the caller may not pull
 * has the same result, so that the reply does not reveal which repositories hold the blob.
 */
async function mounted(
  { blobs }: Registry,
  request: ServerRequest,
  name: RepositoryName,
  digest: Digest,
): Promise<boolean> {
  const from = request.query.get('from')
  if (from !== null && from !== '' && !isRepositoryName(from)) return false
  const sources = from === null || from === '' ? await blobs.holders(digest, mountSources) : [from]
  const readable: RepositoryName[] = []
  for (const source of sources) if (await mayPull(request, source)) readable.push(source)
  return readable.length > 0 && blobs.mount(request.requester, name, digest, readable)
}

function mayPull({ caller }: ServerRequest, source: RepositoryName): boolean | Promise<boolean> {
  return caller === undefined || caller.can('pull', source)
}

function created(name: RepositoryName, digest: Digest): Reply {
  return {
    status: 201,
    headers: ['Location', `/v2/${name}/blobs/${digest}`, 'Docker-Content-Digest', digest],
  }
}

function digestOf(request: ServerRequest): Digest {
  const digest = request.query.get('digest')
  if (digest !== null) return parseDigest(digest)
  throw new OciError('DIGEST_INVALID', 'the digest is missing', {
    detail: 'a PUT that closes an upload needs ?digest=<digest of the whole blob>',
  })
}

function rangeOf(request: ServerRequest): ByteRange | undefined {
  const header = request.header('content-range')
  if (header === undefined) return undefined
  const range = parseContentRange(header)
  if (range !== undefined) return range
  throw new OciError('BLOB_UPLOAD_INVALID', 'the Content-Range is not valid', {
    detail: `"${header.slice(0, 100)}": a chunk has Content-Range: <first byte>-<last byte>`,
  })
}

function uploadUnknown(): OciError {
  return new OciError('BLOB_UPLOAD_UNKNOWN', 'the upload is not known', {
    detail: 'it was finished, cancelled or has expired: begin a new upload',
  })
}
