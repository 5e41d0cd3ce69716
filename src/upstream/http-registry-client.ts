import { z } from 'zod'
import { digestAlgorithm, isDigest, digestOfBytes, type Digest } from '../oci/digest.ts'
import {
  dockerImageManifest,
  dockerManifestList,
  ociImageIndex,
  ociImageManifest,
} from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import { largest, RegistryHttp, type Answer, type HttpRegistryOptions } from './registry-http.ts'
import type { RegistryClient, RemoteManifest, RemoteReferrer, RemoteUntagged } from './registry-client.ts'
import { ForeignJsonError, parseForeignJson } from '../foreign-json.ts'

/** Of one list: a registry that always links to another page is not followed for ever. */
const mostPages = 10_000

/** distribution-spec, "Listing Tags" and "Listing Referrers"; `_catalog` is the older API's. */
const catalogSchema = z.object({ repositories: z.array(z.string()).nullish() })
const tagsSchema = z.object({ tags: z.array(z.string()).nullish() })
const referrersSchema = z.object({
  manifests: z
    .array(
      z.object({
        digest: z.string().refine(isDigest),
        mediaType: z.string(),
        artifactType: z.string().optional(),
        size: z.number(),
      }),
    )
    .nullish(),
})

const accept = [ociImageIndex, ociImageManifest, dockerManifestList, dockerImageManifest].join(', ')

const count = z.number().int().nonnegative()
const untaggedPage = z.object({
  expireAfter: count.optional(),
  manifests: z
    .array(
      z.object({
        digest: z.string().refine(isDigest),
        mediaType: z.string(),
        artifactType: z.string().optional(),
        size: count,
        untaggedSince: z.iso.datetime(),
        frees: count.optional(),
        children: count.optional(),
      }),
    )
    .max(1000),
})

export function connectRegistry(options: HttpRegistryOptions): RegistryClient {
  return new HttpRegistryClient(new RegistryHttp(options))
}

class HttpRegistryClient implements RegistryClient {
  readonly #http: RegistryHttp

  constructor(http: RegistryHttp) {
    this.#http = http
  }

  async *repositories(): AsyncGenerator<string> {
    for await (const { repositories } of this.#pages('/v2/_catalog?n=1000', catalogSchema))
      yield* repositories ?? []
  }

  async tags(repository: RepositoryName): Promise<readonly string[] | undefined> {
    const path = `/v2/${repository}/tags/list?n=1000`
    const first = await this.#get(path)
    if (first.status === 404) return undefined
    const tags: string[] = []
    for await (const page of this.#pages(path, tagsSchema, first)) tags.push(...(page.tags ?? []))
    return tags
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

  /** The JSON of all pages, following Link. Throws UpstreamFault `malformed` for what does not fit the schema. */
  async *#pages<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    first?: Answer,
  ): AsyncGenerator<z.infer<Schema>> {
    let answer = first ?? (await this.#get(path))
    for (let count = 1; ; count++) {
      this.#http.expect(answer, 200)
      yield this.#parse(answer, schema)
      const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(answer.headers['link'] ?? ''))?.[1]
      if (next === undefined) return
      const url = new URL(next, `${this.#http.origin}${path}`)
      if (url.origin !== new URL(this.#http.origin).origin)
        throw this.#http.malformed('a Link leads to another host')
      if (count === mostPages) throw this.#http.malformed(`its list has more than ${mostPages} pages`)
      answer = await this.#get(`${url.pathname}${url.search}`)
    }
  }

  #parse<Schema extends z.ZodType>({ body }: Answer, schema: Schema): z.infer<Schema> {
    try {
      return parseForeignJson(body, schema, largest)
    } catch (error) {
      if (error instanceof ForeignJsonError) throw this.#http.malformed(`its answer: ${error.message}`)
      throw error
    }
  }

  #get(path: string, headers: Record<string, string> = {}, limit = largest): Promise<Answer> {
    return this.#http.ask('GET', path, headers, limit)
  }
}
