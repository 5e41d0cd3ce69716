import { Agent, request } from 'undici'
import type { Received, Sent, Way } from '../support/access-matrix.ts'
import { scopeFor } from '../support/ways.ts'
import type { Pair } from '../support/certificate-authority.ts'

/** Credentials of a client. */
export interface PresentedCredentials {
  readonly authorization?: string
  readonly pair?: Pair | undefined
}

/** A client of a registry with TLS. */
export class RegistryClient implements Way {
  readonly name = 'somebody'
  readonly #url: string
  readonly #ca: string
  readonly #presented: PresentedCredentials
  readonly #agent: Agent

  constructor(url: string, ca: string, presented: PresentedCredentials = {}) {
    this.#url = url
    this.#ca = ca
    this.#presented = presented
    this.#agent = new Agent({ connect: { ca, ...presented.pair }, keepAliveTimeout: 2000 })
  }

  /** Returns a client of the same registry with other credentials. The caller closes it. */
  as(presented: PresentedCredentials): RegistryClient {
    return new RegistryClient(this.#url, this.#ca, presented)
  }

  async send({ method, path, headers, body }: Sent): Promise<Received> {
    const { authorization } = this.#presented
    const reply = await request(`${this.#url}${path}`, {
      dispatcher: this.#agent,
      method: method as 'GET',
      headers: { ...(authorization === undefined ? {} : { authorization }), ...headers },
      body: body ?? null,
    })
    const flat = Object.fromEntries(
      Object.entries(reply.headers).map(([key, value]) => [key, [value].flat().join(', ')]),
    )
    return { status: reply.statusCode, headers: flat, body: await reply.body.text() }
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Received> {
    return this.send({ method: 'GET', path, headers })
  }

  /** Opens an upload, which needs the right to push. */
  push(repository: string, headers: Readonly<Record<string, string>> = {}): Promise<Received> {
    return this.send({ method: 'POST', path: `/v2/${repository}/blobs/uploads/`, headers })
  }

  /** Requests a token of the registry for `scope` by GET. Throws the reply if it has no token. */
  async token(scope: string, authorization?: string): Promise<string> {
    const path = `/token?service=trow&scope=${encodeURIComponent(scope)}`
    return tokenIn(await this.get(path, authorization === undefined ? {} : { authorization }))
  }

  /** Requests the token by POST, as OAuth2 does. */
  async passwordToken(scope: string, username: string, password: string): Promise<string> {
    const form = { grant_type: 'password', service: 'trow', client_id: 'test', scope, username, password }
    return tokenIn(
      await this.send({
        method: 'POST',
        path: '/token',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(form).toString(),
      }),
    )
  }

  /** Makes a request with one kind of credentials, and with the headers that this kind needs. */
  way(
    name: string,
    headers: (scope: string) => Promise<Readonly<Record<string, string>>> = async () => ({}),
  ): Way {
    return {
      name,
      send: async (sent) =>
        this.send({ ...sent, headers: { ...(await headers(scopeFor(sent.path))), ...sent.headers } }),
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }
}

export function bearer(token: string): { readonly authorization: string } {
  return { authorization: `Bearer ${token}` }
}

function tokenIn({ status, body }: Received): string {
  if (status !== 200) throw new Error(`no token: ${status} ${body}`)
  return (JSON.parse(body) as { token: string }).token
}
