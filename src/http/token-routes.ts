import type { Identity } from '../access/access.ts'
import type { Principal } from '../access/principal.ts'
import { parseRepositoryName } from '../oci/repository-name.ts'
import { OciError } from '../oci/oci-error.ts'
import { parseScopes, printScopes, type ScopeRequest } from './token-scope.ts'
import { describeAccess } from './audited-access.ts'
import type { AccessParts } from './access-check.ts'
import type { GateOptions } from './gate.ts'
import { HttpRefusal } from './http-refusal.ts'
import { readWhole, type BodyPlace } from './read-whole.ts'
import type { ServerRequest } from './server-request.ts'
import { jsonReply, type Reply } from './reply.ts'
import { route, type Route } from './route.ts'

const path = '/token'
const formLimit = 64 * 1024

/**
 * The token service ("Docker registry v2 authentication": token and OAuth2 forms). Missing rights are no
 * error here: a token states its caller and the requested scopes, which it never exceeds, and every request
 * is decided anew.
 */
export function tokenRoutes({ access, trail }: GateOptions, place: BodyPlace): Route[] {
  if (access === undefined) return []
  const issuer = new TokenIssuer(access, trail)
  return [
    route(['GET'], path, 'none', (request) => issuer.get(request)),
    route(['POST'], path, 'none', async (request) => {
      const { body, release } = await readWhole(request, formLimit, place)
      try {
        return await issuer.post(request, new URLSearchParams(body.toString('utf8')))
      } finally {
        release()
      }
    }),
  ]
}

class TokenIssuer {
  readonly #parts: AccessParts
  readonly #trail: GateOptions['trail']

  constructor(parts: AccessParts, trail: GateOptions['trail']) {
    this.#parts = parts
    this.#trail = trail
  }

  async get(request: ServerRequest): Promise<Reply> {
    const { access } = this.#parts
    const principal = await this.#known(request, async () =>
      beginner(await access.identify(request.presented)),
    )
    const refresh = request.query.get('offline_token') === 'true' && principal.kind !== 'anonymous'
    const scopes = parseScopes(request.query.getAll('scope'))
    const reply = await this.#issue(principal, refresh, scopes)
    return jsonReply(200, reply, noStore())
  }

  async post(request: ServerRequest, form: URLSearchParams): Promise<Reply> {
    const { access } = this.#parts
    const { address } = request.presented
    const credential = credentialOf(form)
    const principal = await this.#known(request, async () =>
      credential.kind === 'refresh'
        ? access.refresh(credential.token, address)
        : beginner(await access.identify({ ...request.presented, authorization: credential.authorization })),
    )
    // No new refresh token for a refresh token: its lifetime would begin anew, but a session must end at the
    // time set when it began.
    const refresh = form.get('access_type') === 'offline' && credential.kind !== 'refresh'
    const scopes = parseScopes(form.getAll('scope'))
    const reply = await this.#issue(principal, refresh, scopes)
    const granted = await this.#granted(principal, scopes)
    return jsonReply(200, { ...reply, scope: granted.join(' ') }, noStore())
  }

  /** A refusal is recorded on disk before the reply is sent. */
  async #known(request: ServerRequest, identify: () => Promise<Principal>): Promise<Principal> {
    try {
      return await identify()
    } catch (error) {
      if (!(error instanceof OciError) || error.code === 'UNAVAILABLE') throw error
      await this.#trail?.denied(
        describeAccess(request, path, {
          action: 'auth',
          reason: typeof error.detail === 'string' ? error.detail : error.message,
          actor: { kind: 'unknown', name: request.claimedName ?? 'unknown', groups: [] },
          status: error.status,
        }),
      )
      if (error.code !== 'UNAUTHORIZED') throw error
      throw new OciError('UNAUTHORIZED', error.message, {
        detail: error.detail,
        headers: { 'WWW-Authenticate': `Basic realm="${this.#parts.service}"` },
        cause: error,
      })
    }
  }

  async #issue(
    principal: Principal,
    refresh: boolean,
    asked: readonly ScopeRequest[],
  ): Promise<Record<string, unknown>> {
    const { tokens, service } = this.#parts
    const issued = await tokens.issue(principal, { service, refresh, scopes: printScopes(asked) })
    return {
      token: issued.token,
      access_token: issued.token,
      expires_in: issued.expiresIn,
      issued_at: issued.issuedAt.toISOString(),
      refresh_token: issued.refreshToken,
    }
  }

  /**
   * The part of the requested scopes that the principal may use now; an action whose decision fails is left
   * out.
   */
  async #granted(principal: Principal, scopes: readonly ScopeRequest[]): Promise<string[]> {
    const granted = scopes.map(async ({ type, name, actions }) => {
      if (type !== 'repository') return undefined
      const allowed: string[] = []
      for (const action of actions) {
        if (action !== 'pull' && action !== 'push' && action !== 'delete') continue
        const decision = await Promise.resolve()
          .then(() => this.#parts.access.decide(principal, action, parseRepositoryName(name)))
          .catch(() => undefined)
        if (decision?.allowed === true) allowed.push(action)
      }
      return allowed.length === 0 ? undefined : `repository:${name}:${allowed.join(',')}`
    })
    return (await Promise.all(granted)).filter((scope) => scope !== undefined)
  }
}

/**
 * The principal that a session may begin with. A trow token is refused: it could renew itself forever, even
 * after its credential was revoked. Throws OciError UNAUTHORIZED.
 */
function beginner({ principal, bounds }: Identity): Principal {
  if (bounds === undefined) return principal
  throw new OciError('UNAUTHORIZED', 'a token of this registry gets no other one', {
    detail: 'show the token service the password, token or certificate that the first one was given for',
  })
}

/** RFC 6749, 4.3 and 6. Throws HttpRefusal if the grant type is unknown. */
function credentialOf(
  form: URLSearchParams,
):
  | { readonly kind: 'refresh'; readonly token: string }
  | { readonly kind: 'password'; readonly authorization: string } {
  const grant = form.get('grant_type')
  if (grant === 'refresh_token') return { kind: 'refresh', token: form.get('refresh_token') ?? '' }
  if (grant === 'password') {
    const pair = `${form.get('username') ?? ''}:${form.get('password') ?? ''}`
    return { kind: 'password', authorization: `Basic ${Buffer.from(pair, 'utf8').toString('base64')}` }
  }
  throw new HttpRefusal(400, 'UNSUPPORTED', 'the grant type is not known', {
    detail: 'grant_type is password or refresh_token',
  })
}

function noStore(): string[] {
  return ['Cache-Control', 'no-store']
}
