import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import { RegistryHttp, type RegistryResponse, type HttpRegistryOptions } from './registry-http.ts'
import type { BlobProgress, BlobSource, RegistryPusher } from './registry-pusher.ts'
import { UpstreamFault } from './upstream-fault.ts'
import { errorOf } from '../reason-of.ts'

export function connectPusher(options: HttpRegistryOptions): RegistryPusher {
  return new HttpRegistryPusher(new RegistryHttp(options))
}

const fruitless = 5
/** Milliseconds before an attempt, multiplied by the number of attempts without progress. */
const pause = 500
const silent: BlobProgress = { sent() {}, interrupted() {} }

class HttpRegistryPusher implements RegistryPusher {
  readonly #http: RegistryHttp
  #closed = false

  constructor(http: RegistryHttp) {
    this.#http = http
  }

  async pushBlob(
    repository: RepositoryName,
    source: BlobSource,
    progress: BlobProgress = silent,
  ): Promise<'there' | 'mounted' | 'pushed'> {
    let session: string | undefined
    let reached = 0
    let misses = 0
    let began = 0
    let displaced: number | undefined
    for (let attempt = 0; ; attempt++) {
      try {
        if (await this.#has(repository, source)) return attempt === 0 ? 'there' : 'pushed'
        if (session === undefined) {
          session = await this.#begin(repository, source)
          if (session === undefined) return 'mounted'
          began = attempt
        }
        const offset: number = attempt === began ? 0 : await this.#offset(session)
        if (offset > reached) misses = 0
        reached = offset
        progress.sent(offset)
        await this.#send(session, source, { offset, resumed: attempt !== began }, progress)
        return 'pushed'
      } catch (error) {
        if (this.#closed || !isPassing(error) || ++misses > fruitless) throw error
        const status = error instanceof UpstreamFault ? error.status : undefined
        // A new session is needed: the registry has lost this one (404), or it refused the same offset twice
        // (416).
        if (status === 404 || (status === 416 && displaced === reached)) session = undefined
        // After a 416 the offset is asked again: the registry may still have been receiving the cut request
        // when it reported the first offset.
        displaced = status === 416 ? reached : undefined
        progress.interrupted(errorOf(error))
        await sleep(pause * misses)
      }
    }
  }

  async pushManifest(
    repository: RepositoryName,
    reference: Reference,
    { mediaType, body }: { readonly mediaType: string; readonly body: Uint8Array },
  ): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      try {
        const path = `/v2/${repository}/manifests/${reference}`
        const answer = await this.#http.ask('PUT', path, { 'content-type': mediaType }, undefined, body)
        this.#http.expect(answer, 201)
        return header(answer, 'docker-content-digest') ?? ''
      } catch (error) {
        if (this.#closed || !isPassing(error) || attempt > fruitless) throw error
        await sleep(pause * attempt)
      }
    }
  }

  close(): Promise<void> {
    this.#closed = true
    return this.#http.close()
  }

  async #has(repository: RepositoryName, { digest }: BlobSource): Promise<boolean> {
    const answer = await this.#http.ask('HEAD', `/v2/${repository}/blobs/${digest}`)
    if (answer.status === 404) return false
    this.#http.expect(answer, 200)
    return true
  }

  /**
   * Returns the path of a new session; `undefined` if the registry had the blob in another repository and has
   * mounted it.
   */
  async #begin(repository: RepositoryName, { digest, mountFrom }: BlobSource): Promise<string | undefined> {
    const from = mountFrom === undefined ? '' : `&from=${encodeURIComponent(mountFrom)}`
    const path = `/v2/${repository}/blobs/uploads/?mount=${digest}${from}`
    const answer = await this.#http.ask('POST', path, { 'content-length': '0' })
    if (answer.status === 201) return undefined
    this.#http.expect(answer, 202)
    return this.#location(answer)
  }

  /** Returns how many bytes of the blob the registry has. */
  async #offset(session: string): Promise<number> {
    const answer = await this.#http.ask('GET', session)
    this.#http.expect(answer, 204)
    const [, last] = /^(?:bytes=)?0-(\d+)$/.exec(header(answer, 'range') ?? '') ?? []
    // Registries answer `0-0` for one byte and for none. A wrong guess is refused, and nothing is lost.
    return last === undefined || last === '0' ? 0 : Number(last) + 1
  }

  /** Sends all missing bytes in the request that closes the session. */
  async #send(
    session: string,
    source: BlobSource,
    { offset, resumed }: { readonly offset: number; readonly resumed: boolean },
    progress: BlobProgress,
  ): Promise<void> {
    const left = source.size - offset
    const path = `${session}${session.includes('?') ? '&' : '?'}digest=${encodeURIComponent(source.digest)}`
    const headers: Record<string, string> = {
      'content-type': 'application/octet-stream',
      'content-length': String(left),
      ...(resumed && left > 0 ? { 'content-range': `${offset}-${source.size - 1}` } : {}),
    }
    const body = left === 0 ? null : Readable.from(counted(source, offset, progress), { objectMode: false })
    this.#http.expect(await this.#http.ask('PUT', path, headers, undefined, body), 201)
  }

  #location(answer: RegistryResponse): string {
    const location = header(answer, 'location')
    if (location === undefined) throw this.#http.malformed('it began an upload and did not say where')
    const url = new URL(location, this.#http.origin)
    return `${url.pathname}${url.search}`
  }
}

async function* counted(
  source: BlobSource,
  offset: number,
  progress: BlobProgress,
): AsyncGenerator<Uint8Array> {
  let sent = offset
  for await (const chunk of source.open(offset)) {
    yield chunk
    sent += chunk.length
    progress.sent(sent)
  }
}

/** Returns whether a new connection, possibly to another pod, may succeed. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof UpstreamFault)) return false
  return error.kind === 'unreachable' || [404, 408, 416, 429, 500, 502, 503, 504].includes(error.status ?? 0)
}

function header({ headers }: RegistryResponse, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}
