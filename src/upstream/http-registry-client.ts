import { createHash } from 'node:crypto'
import { Agent, type Dispatcher } from 'undici'
import { digestAlgorithm, isDigest, makeDigest, parseDigest, type Digest } from '../oci/digest.ts'
import {
  dockerImageManifest,
  dockerManifestList,
  ociImageIndex,
  ociImageManifest,
} from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import { exitCode, UserError } from '../user-error.ts'
import type { RegistryClient, RemoteManifest, RemoteReferrer } from './registry-client.ts'

export interface HttpRegistryOptions {
  /** `http://host:port` or `https://host:port`, without a path. */
  readonly origin: string
  /** PEM; undefined: the system's. */
  readonly ca: string | undefined
  readonly credentials: { readonly username: string; readonly password: string } | undefined
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

const accept = [ociImageIndex, ociImageManifest, dockerManifestList, dockerImageManifest].join(', ')
const largest = 64 * 1024 * 1024

export function connectRegistry(options: HttpRegistryOptions): RegistryClient {
  return new HttpRegistryClient(options)
}

class HttpRegistryClient implements RegistryClient {
  readonly #origin: string
  readonly #agent: Agent
  readonly #headers: Readonly<Record<string, string>>

  constructor({ origin, ca, credentials }: HttpRegistryOptions) {
    this.#origin = origin
    this.#agent = new Agent({ ...(ca === undefined ? {} : { connect: { ca } }), headersTimeout: 60_000 })
    const word =
      credentials && Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')
    this.#headers = word === undefined ? {} : { authorization: `Basic ${word}` }
  }

  async *repositories(): AsyncGenerator<string> {
    for await (const { repositories } of this.#pages<{ repositories: string[] | null }>(
      '/v2/_catalog?n=1000',
    )) {
      yield* repositories ?? []
    }
  }

  async tags(repository: RepositoryName): Promise<readonly string[] | undefined> {
    const path = `/v2/${repository}/tags/list?n=1000`
    const first = await this.#get(path)
    if (first.status === 404) return undefined
    const tags: string[] = []
    for await (const page of this.#pages<{ tags: string[] | null }>(path, first))
      tags.push(...(page.tags ?? []))
    return tags
  }

  async manifest(repository: RepositoryName, reference: Reference): Promise<RemoteManifest | undefined> {
    const answer = await this.#get(`/v2/${repository}/manifests/${reference}`, { accept })
    if (answer.status === 404) return undefined
    this.#expect(answer, 200)
    const algorithm = isDigest(reference) ? digestAlgorithm(reference) : 'sha256'
    const digest = makeDigest(algorithm, createHash(algorithm).update(answer.body).digest('hex'))
    if (isDigest(reference) && digest !== reference) {
      throw this.#failed(`it sent a manifest with the digest ${digest} for ${reference}`)
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
    for await (const page of this.#pages<{ manifests: Record<string, unknown>[] }>(path, first)) {
      for (const { digest, mediaType, artifactType, size } of page.manifests) {
        found.push({
          digest: parseDigest(String(digest)),
          mediaType: String(mediaType),
          artifactType: typeof artifactType === 'string' ? artifactType : undefined,
          size: Number(size),
        })
      }
    }
    return found
  }

  async deleteManifest(repository: RepositoryName, reference: Reference): Promise<boolean> {
    const answer = await this.#ask('DELETE', `/v2/${repository}/manifests/${reference}`, {}, largest)
    if (answer.status === 404) return false
    this.#expect(answer, 202)
    return true
  }

  close(): Promise<void> {
    return this.#agent.close()
  }

  /** The JSON of all pages, following Link. */
  async *#pages<Page>(path: string, first?: Answer): AsyncGenerator<Page> {
    for (let answer = first ?? (await this.#get(path)); ;) {
      this.#expect(answer, 200)
      yield JSON.parse(answer.body.toString()) as Page
      const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(answer.headers['link'] ?? ''))?.[1]
      if (next === undefined) return
      const url = new URL(next, `${this.#origin}${path}`)
      if (url.origin !== new URL(this.#origin).origin) throw this.#failed('a Link leads to another host')
      answer = await this.#get(`${url.pathname}${url.search}`)
    }
  }

  #get(path: string, headers: Record<string, string> = {}, limit = largest): Promise<Answer> {
    return this.#ask('GET', path, headers, limit)
  }

  async #ask(
    method: 'GET' | 'DELETE',
    path: string,
    headers: Record<string, string>,
    limit: number,
  ): Promise<Answer> {
    let answer: Dispatcher.ResponseData
    try {
      answer = await this.#agent.request({
        origin: this.#origin,
        method,
        path,
        headers: { ...this.#headers, ...headers },
      })
    } catch (cause) {
      throw this.#unreachable(cause as NodeJS.ErrnoException)
    }
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of answer.body) {
      size += (chunk as Buffer).length
      chunks.push(chunk as Buffer)
      if (size > limit) break
    }
    if (answer.statusCode === 401 || answer.statusCode === 403) throw this.#denied(answer.statusCode)
    return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) }
  }

  #expect({ status, body }: Answer, expected: number): void {
    if (status === expected) return
    throw this.#failed(`it answered ${status}: ${explain(body)}`)
  }

  #failed(reason: string): UserError {
    return new UserError('REGISTRY_FAILED', `${this.#origin}: ${reason}`)
  }

  #denied(status: number): UserError {
    return new UserError('REGISTRY_DENIED', `${this.#origin} does not permit this (${status})`, {
      hint: 'Give credentials with --username and --password-stdin.',
      exitCode: exitCode.notPermitted,
    })
  }

  #unreachable(cause: NodeJS.ErrnoException): UserError {
    const { code = '', message } = cause
    if (/CERT|SELF_SIGNED|ISSUER|ALTNAME|SIGNATURE/.test(code)) {
      return new UserError(
        'REGISTRY_UNTRUSTED',
        `the certificate of ${this.#origin} is not trusted: ${message}`,
        {
          hint: 'Give the CA of the registry with --ca FILE.',
          cause,
          exitCode: exitCode.unreachable,
        },
      )
    }
    return new UserError('REGISTRY_UNREACHABLE', `${this.#origin} cannot be reached: ${message || code}`, {
      hint: 'Check the address, and whether the registry runs; --plain-http is for registries without TLS.',
      cause,
      exitCode: exitCode.unreachable,
    })
  }
}

/** The registry's own words, where it sent the specification's JSON. */
function explain(body: Buffer): string {
  try {
    const { errors } = JSON.parse(body.toString()) as { errors: { message: string; detail?: unknown }[] }
    return errors
      .map(({ message, detail }) => (typeof detail === 'string' ? `${message} (${detail})` : message))
      .join('; ')
  } catch {
    return body.toString().slice(0, 200)
  }
}
