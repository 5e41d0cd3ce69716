import { Agent, request } from 'undici'
import type { Received, Sent, Way } from '../support/access-matrix.ts'
import { scopeFor } from '../support/ways.ts'
import type { Pair } from '../support/certificate-authority.ts'

/** How somebody shows who they are. */
export interface Shown {
  readonly authorization?: string
  readonly pair?: Pair | undefined
}

/** Somebody at a registry with TLS. */
export class RegistryClient implements Way {
  readonly name = 'somebody'
  readonly #url: string
  readonly #ca: string
  readonly #shown: Shown
  readonly #agent: Agent

  constructor(url: string, ca: string, shown: Shown = {}) {
    this.#url = url
    this.#ca = ca
    this.#shown = shown
    this.#agent = new Agent({ connect: { ca, ...shown.pair }, keepAliveTimeout: 2000 })
  }

  /** The same place, by somebody else; closed apart. */
  as(shown: Shown): RegistryClient {
    return new RegistryClient(this.#url, this.#ca, shown)
  }

  async send({ method, path, headers, body }: Sent): Promise<Received> {
    const { authorization } = this.#shown
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

  /** A token of the registry's own, by GET; it opens no more than `scope`. Throws the reply where it is none. */
  async token(scope: string, authorization?: string): Promise<string> {
    const path = `/token?service=trow&scope=${encodeURIComponent(scope)}`
    return tokenIn(await this.get(path, authorization === undefined ? {} : { authorization }))
  }

  /** The same by POST, as OAuth2 has it. */
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

  /** As one way in, with whatever headers it takes for what a token would be asked for with. */
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
