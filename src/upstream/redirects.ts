import type { Dispatcher } from 'undici'
import { Http1Agent } from '../http1-agent.ts'

/** More than any registry has in front of its storage. */
const most = 5
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

type Request = Pick<Dispatcher.RequestOptions, 'method' | 'path' | 'body' | 'signal' | 'bodyTimeout'> & {
  readonly headers: Readonly<Record<string, string>>
}

/** Follows a registry to where it keeps content. Another host gets no credential of the registry. */
export class Redirects {
  readonly #origin: string
  readonly #own: Dispatcher
  /** For other hosts: with the CAs of the system, and a connection of their own. */
  #others: Http1Agent | undefined

  constructor(origin: string, own: Dispatcher) {
    this.#origin = new URL(origin).origin
    this.#own = own
  }

  /**
   * Returns the answer at the end of the redirects of a GET or HEAD; the redirect itself if it leads nowhere,
   * or from https to http.
   */
  async follow(
    request: Request,
    authorization: Readonly<Record<string, string>>,
    first: Dispatcher.ResponseData,
  ): Promise<Dispatcher.ResponseData> {
    let answer = first
    let url = new URL(request.path, this.#origin)
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer
    for (let count = 0; redirects.has(answer.statusCode) && count < most; count++) {
      const { location } = answer.headers
      if (typeof location !== 'string' || !URL.canParse(location, url)) return answer
      const next = new URL(location, url)
      if (next.protocol !== 'https:' && (next.protocol !== 'http:' || url.protocol === 'https:'))
        return answer
      await answer.body.dump()
      url = next
      const isOwn = url.origin === this.#origin
      const agent = isOwn ? this.#own : (this.#others ??= new Http1Agent({ headersTimeout: 60_000 }))
      answer = await agent.request({
        ...request,
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        headers: { ...request.headers, ...(isOwn ? authorization : {}) },
      })
    }
    return answer
  }

  async close(): Promise<void> {
    await this.#others?.destroy()
  }
}
