import type { z } from 'zod'
import { digestAlgorithm, isDigest, digestOfBytes, type Digest } from '../oci/digest.ts'
import {
  dockerImageManifest,
  dockerManifestList,
  ociImageIndex,
  ociImageManifest,
} from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference, Tag } from '../oci/tag.ts'
import { largest, RegistryHttp, type RegistryResponse, type HttpRegistryOptions } from './registry-http.ts'
import type {
  RegistryClient,
  RemoteManifest,
  RemoteReferrer,
  RemoteRepository,
  RemoteSeen,
  RemoteTarget,
  RemoteUntagged,
} from './registry-client.ts'
import {
  catalogSchema,
  referrersSchema,
  repositoriesPage,
  seenSchema,
  tagsSchema,
  targetsPage,
  untaggedPage,
} from './registry-documents.ts'
import { UpstreamFault } from './upstream-fault.ts'

/** Milliseconds without a byte of a blob after which its connection counts as cut. */
const silence = 60_000

/** Pages of one list. The limit ends a list whose registry always links to another page. */
const mostPages = 10_000

const accept = [ociImageIndex, ociImageManifest, dockerManifestList, dockerImageManifest].join(', ')

export function connectRegistry(options: HttpRegistryOptions): RegistryClient {
  return new HttpRegistryClient(new RegistryHttp(options))
}

class HttpRegistryClient implements RegistryClient {
  readonly #http: RegistryHttp

  constructor(http: RegistryHttp) {
    this.#http = http
  }

  async ping(): Promise<void> {
    this.#http.expect(await this.#get('/v2/'), 200)
  }

  async *repositories(after?: string): AsyncGenerator<string> {
    const last = after === undefined ? '' : `&last=${encodeURIComponent(after)}`
    for await (const { repositories } of this.#pages(`/v2/_catalog?n=1000${last}`, catalogSchema))
      yield* repositories ?? []
  }

  async repositoryPages({
    size,
    after,
  }: {
    readonly size: number
    readonly after?: string | undefined
  }): Promise<AsyncIterable<readonly RemoteRepository[]> | undefined> {
    const last = after === undefined ? '' : `&last=${encodeURIComponent(after)}`
    const path = `/v2/_trow/repositories/figures?n=${size}${last}`
    const first = await this.#extension(path)
    return first && this.#repositoryPages(path, first)
  }

  async *#repositoryPages(
    path: string,
    first: RegistryResponse,
  ): AsyncGenerator<readonly RemoteRepository[]> {
    for await (const { repositories } of this.#pages(path, repositoriesPage, first)) yield repositories
  }

  async tags(repository: RepositoryName): Promise<readonly string[] | undefined> {
    const path = `/v2/${repository}/tags/list?n=1000`
    const first = await this.#get(path)
    if (first.status === 404) return undefined
    const tags: string[] = []
    for await (const page of this.#pages(path, tagsSchema, first)) tags.push(...(page.tags ?? []))
    return tags
  }

  async *tagPages(
    repository: RepositoryName,
    { size, after }: { readonly size: number; readonly after?: string | undefined },
  ): AsyncGenerator<readonly string[]> {
    const last = after === undefined ? '' : `&last=${encodeURIComponent(after)}`
    const path = `/v2/${repository}/tags/list?n=${size}${last}`
    const first = await this.#get(path)
    if (first.status === 404) return
    for await (const page of this.#pages(path, tagsSchema, first)) yield page.tags ?? []
  }

  async manifest(repository: RepositoryName, reference: Reference): Promise<RemoteManifest | undefined> {
    const answer = await this.#get(`/v2/${repository}/manifests/${reference}`, { accept })
    if (answer.status === 404) return undefined
    this.#http.expect(answer, 200)
    const algorithm = isDigest(reference) ? digestAlgorithm(reference) : 'sha256'
    const digest = digestOfBytes(algorithm, answer.body)
    if (isDigest(reference) && digest !== reference) {
      throw this.#http.malformed(`it sent a manifest with the digest ${digest} for ${reference}`)
    }
    const mediaType = String(answer.headers['content-type'] ?? '').split(';')[0] ?? ''
    return { digest, mediaType, body: answer.body }
  }

  async digestOf(repository: RepositoryName, reference: Reference): Promise<Digest | undefined> {
    const path = `/v2/${repository}/manifests/${reference}`
    const answer = await this.#http.ask('HEAD', path, { accept }).catch((error: unknown) => {
      if (error instanceof UpstreamFault && error.kind === 'denied') return undefined
      throw error
    })
    if (answer?.status === 404) return undefined
    // The answer to a HEAD has no body, which would say why.
    if (answer?.status !== 200) return (await this.manifest(repository, reference))?.digest
    const digest = String(answer.headers['docker-content-digest'] ?? '')
    return isDigest(digest) ? digest : undefined
  }

  async *openBlob(repository: RepositoryName, digest: Digest, offset: number): AsyncGenerator<Uint8Array> {
    const path = `/v2/${repository}/blobs/${digest}`
    const headers = offset === 0 ? {} : { range: `bytes=${offset}-` }
    const answer = await this.#http.stream(path, { silence, headers: { ...headers, accept: '*/*' } })
    if (!('chunks' in answer)) {
      // A 404 that the caller could take for one of the other registry in a copy.
      if (answer.status === 404) throw this.#http.missing(`it does not have the blob ${digest}`)
      throw this.#http.malformed(`it answered ${answer.status} for the blob ${digest}`)
    }
    // A registry may ignore the range (RFC 9110, 14.2), and then sends everything.
    let skipped = answer.status === 206 ? offset : 0
    try {
      for await (const chunk of answer.chunks) {
        const rest = skipped < offset ? chunk.subarray(offset - skipped) : chunk
        skipped += chunk.length - rest.length
        if (rest.length > 0) yield rest
      }
    } catch (cause) {
      throw this.#http.cut(cause)
    }
  }

  async smallBlob(
    repository: RepositoryName,
    digest: Digest,
    limit: number,
  ): Promise<Uint8Array | undefined> {
    const answer = await this.#get(`/v2/${repository}/blobs/${digest}`, {}, limit)
    return answer.status === 200 && answer.body.length <= limit ? answer.body : undefined
  }

  async referrers(repository: RepositoryName, subject: Digest): Promise<readonly RemoteReferrer[]> {
    const path = `/v2/${repository}/referrers/${subject}`
    const first = await this.#get(path)
    if (first.status === 404) return []
    const found: RemoteReferrer[] = []
    for await (const { manifests } of this.#pages(path, referrersSchema, first)) {
      for (const { digest, mediaType, artifactType, size } of manifests ?? [])
        found.push({ digest, mediaType, artifactType, size })
    }
    return found
  }

  async untagged(repository: RepositoryName, digest?: Digest): Promise<RemoteUntagged | undefined> {
    const path = `/v2/${repository}/_trow/manifests/untagged${digest === undefined ? '' : `?digest=${digest}`}`
    const first = await this.#get(path)
    if ([400, 404, 405].includes(first.status)) return undefined
    const manifests: RemoteUntagged['manifests'][number][] = []
    let expireAfter: number | undefined
    for await (const page of this.#pages(path, untaggedPage, first)) {
      expireAfter = page.expireAfter
      manifests.push(...page.manifests)
    }
    return { expireAfter, manifests }
  }

  async firstSeen(repository: RepositoryName, digest: Digest): Promise<RemoteSeen | undefined> {
    const answer = await this.#extension(`/v2/${repository}/_trow/manifests/history?digest=${digest}`)
    return answer && this.#http.parse(answer, seenSchema)
  }

  async targets(repository: RepositoryName, tag: Tag): Promise<readonly RemoteTarget[] | undefined> {
    const path = `/v2/${repository}/_trow/tags/history?tag=${tag}`
    const first = await this.#extension(path)
    if (first === undefined) return undefined
    const targets: RemoteTarget[] = []
    for await (const page of this.#pages(path, targetsPage, first)) targets.push(...page.targets)
    return targets
  }

  async deleteManifest(repository: RepositoryName, reference: Reference): Promise<boolean> {
    const answer = await this.#http.ask('DELETE', `/v2/${repository}/manifests/${reference}`, {}, largest)
    if (answer.status === 404) return false
    if (answer.status === 405) throw this.#http.kept(answer)
    this.#http.expect(answer, 202)
    return true
  }

  close(): Promise<void> {
    return this.#http.close()
  }

  /**
   * Yields the JSON of all pages, following the Link header. Throws UpstreamFault `malformed` if a page does
   * not fit the schema.
   */
  async *#pages<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    first?: RegistryResponse,
  ): AsyncGenerator<z.infer<Schema>> {
    let answer = first ?? (await this.#get(path))
    for (let count = 1; ; count++) {
      this.#http.expect(answer, 200)
      yield this.#http.parse(answer, schema)
      const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(answer.headers['link'] ?? ''))?.[1]
      if (next === undefined) return
      const url = new URL(next, `${this.#http.origin}${path}`)
      if (url.origin !== new URL(this.#http.origin).origin)
        throw this.#http.malformed('a Link leads to another host')
      if (count === mostPages) throw this.#http.malformed(`its list has more than ${mostPages} pages`)
      answer = await this.#get(`${url.pathname}${url.search}`)
    }
  }

  /** Undefined where the registry has no such path: some registries deny access to paths that they do not know. */
  async #extension(path: string): Promise<RegistryResponse | undefined> {
    try {
      const answer = await this.#get(path)
      const isJson = String(answer.headers['content-type'] ?? '').startsWith('application/json')
      return answer.status === 200 && isJson ? answer : undefined
    } catch (error) {
      if (error instanceof UpstreamFault && error.kind === 'denied') return undefined
      throw error
    }
  }

  #get(path: string, headers: Record<string, string> = {}, limit = largest): Promise<RegistryResponse> {
    return this.#http.ask('GET', path, headers, limit)
  }
}
