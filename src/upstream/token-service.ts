import pLimit from 'p-limit'
import { z } from 'zod'
import { parseForeignJson } from '../foreign-json.ts'
import { Http1Agent } from '../http1-agent.ts'
import { readLimited } from '../limited-body.ts'
import { reasonOf } from '../reason-of.ts'
import { UpstreamFault } from './upstream-fault.ts'

const largestAnswer = 64 * 1024

/** distribution-spec, "Token Authentication Specification". */
const answerSchema = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().optional(),
})

/** The credential for a registry: a password, or a refresh token that its token service issued before. */
export type RegistryCredentials =
  { readonly username: string; readonly password: string } | { readonly identitytoken: string }

interface Challenge {
  readonly realm: string
  readonly service: string | undefined
  readonly scope: string | undefined
}

interface KeptToken {
  readonly challenge: Challenge
  readonly token: string
  readonly scopes: ReadonlySet<string>
  /** On the clock of `performance.now()`. */
  readonly until: number
}

const timeout = 30_000
/** Seconds. distribution's "Token Authentication Specification": 60 if the answer does not state it. */
const usualLife = 60
/** A token lists its scopes and must fit into a header, as 16 names of 255 characters do. */
const mostScopes = 16

/**
 * The token of a registry's token service (distribution, "Token Authentication"), with the scopes of the last
 * requests: a token permits only the scopes with which it was requested. It is requested again before it
 * ends.
 */
export class TokenServiceClient {
  readonly #credentials: RegistryCredentials | undefined
  readonly #ca: string | undefined
  /** In the order of use, the most recent last. */
  readonly #scopes = new Set<string>()
  #last: KeptToken | undefined
  /**
   * Requests run one at a time, so that the answer to an earlier one, with fewer scopes, never replaces a
   * later one.
   */
  readonly #inTurn = pLimit(1)

  constructor({ credentials, ca }: { credentials: RegistryCredentials | undefined; ca: string | undefined }) {
    this.#credentials = credentials
    this.#ca = ca
  }

  /** Returns `Bearer …`; `undefined` before the first challenge. */
  async authorization(): Promise<string | undefined> {
    if (this.#last === undefined) return undefined
    if (this.#last.until < performance.now()) await this.#renew(this.#last)
    return `Bearer ${this.#last.token}`
  }

  /**
   * Handles the `WWW-Authenticate` header of a response to a request with the authorization `presented`.
   * Returns true if there is another token now. Throws UpstreamFault `token-service`.
   */
  async takeUp(header: string, presented: string | undefined): Promise<boolean> {
    const challenge = parseChallenge(header)
    if (challenge === undefined) return false
    const needed = challenge.scope?.split(' ').filter((scope) => scope !== '') ?? []
    const opens = (): boolean =>
      this.#last !== undefined &&
      `Bearer ${this.#last.token}` !== presented &&
      needed.every((scope) => this.#last?.scopes.has(scope))
    return this.#inTurn(async () => {
      // A concurrent request may have obtained a token already.
      if (opens()) return true
      this.#need(needed)
      await this.#ask(challenge)
      return opens()
    })
  }

  #renew(known: KeptToken): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#last === known) await this.#ask(known.challenge)
    })
  }

  #need(scopes: readonly string[]): void {
    for (const scope of scopes) {
      this.#scopes.delete(scope)
      this.#scopes.add(scope)
    }
    const most = Math.max(mostScopes, scopes.length)
    for (const oldest of [...this.#scopes].slice(0, -most)) this.#scopes.delete(oldest)
  }

  async #ask(challenge: Challenge): Promise<void> {
    const { realm } = challenge
    const scopes = new Set(this.#scopes)
    const { protocol, hostname } = new URL(realm)
    if (protocol !== 'https:' && !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname))
      throw failed(realm, 'it is not reached over https')
    const agent = new Http1Agent(this.#ca === undefined ? {} : { connect: { ca: this.#ca } })
    try {
      const { statusCode, body } = await agent.request(requestOf(challenge, [...scopes], this.#credentials))
      const text = await readLimited(body, largestAnswer)
      // The registry's own refusal is more precise.
      if (statusCode === 401 || statusCode === 403) return
      if (statusCode !== 200) throw failed(realm, `it answered ${statusCode}`)
      const { token, access_token, expires_in } = parseForeignJson(text, answerSchema)
      const given = token ?? access_token
      if (given === undefined) throw failed(realm, 'its answer has no token')
      const life = expires_in ?? usualLife
      this.#last = { challenge, token: given, scopes, until: performance.now() + (life * 1000) / 2 }
    } catch (cause) {
      throw cause instanceof UpstreamFault ? cause : failed(realm, reasonOf(cause), cause)
    } finally {
      await agent.destroy()
    }
  }
}

function requestOf(
  { realm, service }: Challenge,
  scopes: readonly string[],
  credentials: RegistryCredentials | undefined,
): Parameters<Http1Agent['request']>[0] {
  const { origin, pathname, searchParams } = new URL(realm)
  const signal = AbortSignal.timeout(timeout)
  const named = service === undefined ? {} : { service }
  if (credentials !== undefined && 'identitytoken' in credentials) {
    const form = { grant_type: 'refresh_token', refresh_token: credentials.identitytoken, client_id: 'trow' }
    const scope = scopes.length === 0 ? {} : { scope: scopes.join(' ') }
    const body = new URLSearchParams({ ...form, ...named, ...scope }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return { origin, path: pathname, method: 'POST', headers, body, signal }
  }
  if (service !== undefined) searchParams.set('service', service)
  for (const scope of scopes) searchParams.append('scope', scope)
  const word =
    credentials && Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')
  return {
    origin,
    path: `${pathname}?${searchParams.toString()}`,
    method: 'GET',
    headers: word === undefined ? {} : { authorization: `Basic ${word}` },
    signal,
  }
}

/**
 * RFC 6750 3: `Bearer realm="…",service="…",scope="…"`. Returns `undefined` for other schemes, and for a
 * realm that is no URL.
 */
export function parseChallenge(header: string): Challenge | undefined {
  const [, list] = /(?:^|,\s*)bearer\s+(.*)$/i.exec(header) ?? []
  const fields = new Map(
    [...(list ?? '').matchAll(/([a-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/gi)].map(
      ([, name = '', quoted, bare]) =>
        [name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? bare ?? ''] as const,
    ),
  )
  const realm = fields.get('realm')
  if (realm === undefined || !/^https?:\/\//i.test(realm) || !URL.canParse(realm)) return undefined
  return { realm, service: fields.get('service'), scope: fields.get('scope') }
}

function failed(realm: string, reason: string, cause?: unknown): UpstreamFault {
  const message = `the registry's token service ${new URL(realm).origin}: ${reason}`
  return new UpstreamFault('token-service', message, { cause })
}
