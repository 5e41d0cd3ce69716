import { Http1Agent } from '../http1-agent.ts'

export interface WebhookOptions {
  /** `https://…`; credentials in the URL are not used. */
  readonly url: string
  /** PEM; undefined: the system's CAs. */
  readonly ca: string | undefined
}

/** Posts to one receiver over one connection. Follows no redirects and discards the body of an answer. */
export class HttpWebhookSender {
  readonly #url: URL
  readonly #agent: Http1Agent

  constructor({ url, ca }: WebhookOptions) {
    this.#url = new URL(url)
    this.#agent = new Http1Agent({
      connections: 1,
      headersTimeout: 20_000,
      bodyTimeout: 20_000,
      ...(ca === undefined ? {} : { connect: { ca } }),
    })
  }

  /** Rejects if there was no answer. `retryAfter`: milliseconds. */
  async send(request: {
    readonly headers: Readonly<Record<string, string>>
    readonly body: string
    readonly signal: AbortSignal
  }): Promise<{ readonly status: number; readonly retryAfter: number | undefined }> {
    const answer = await this.#agent.request({
      origin: this.#url.origin,
      path: `${this.#url.pathname}${this.#url.search}`,
      method: 'POST',
      headers: { ...request.headers },
      body: request.body,
      signal: request.signal,
    })
    await answer.body.dump({ limit: 64 * 1024 })
    const seconds = Number(answer.headers['retry-after'])
    return { status: answer.statusCode, retryAfter: seconds > 0 ? seconds * 1000 : undefined }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}
