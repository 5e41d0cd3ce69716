import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'
import { UserError } from '../user-error.ts'
import { ClusterFault } from './cluster-fault.ts'
import type { ClusterConnection } from './cluster-connection.ts'
import {
  ClusterUnavailable,
  type AccessReview,
  type AccessReviewResult,
  type ClusterReviews,
  type ClusterUser,
  type TokenReviewResult,
} from './reviews.ts'

const accessSchema = z.object({
  status: z
    .object({
      allowed: z.boolean().optional(),
      denied: z.boolean().optional(),
      reason: z.string().optional(),
      evaluationError: z.string().optional(),
    })
    .optional(),
})

/** Longer texts are not tokens of any cluster: JWTs with many groups are far shorter. */
const longestToken = 64 * 1024

/** Reviews by the API server. Caches nothing, and never logs a token. */
export class KubernetesReviews implements ClusterReviews {
  readonly #connection: ClusterConnection
  /** The API server's own audiences, learned from its responses. */
  readonly #serverAudiences = new Set<string>()

  constructor(connection: ClusterConnection) {
    this.#connection = connection
  }

  async reviewToken(token: string, audiences: readonly string[] | undefined): Promise<TokenReviewResult> {
    if (token === '') return refused('it is empty')
    if (token.length > longestToken) return refused('it is too long to be a token')
    if (audiences !== undefined) return this.#reviewFor(token, audiences, audiences)
    const known = [...this.#serverAudiences]
    const answer = known.length === 0 ? undefined : await this.#reviewFor(token, known, undefined)
    // The API server may have more audiences than the ones seen so far.
    return answer?.authenticated === true ? answer : this.#reviewFor(token, [], undefined)
  }

  /** An empty `asked` means the API server's own audiences. */
  async #reviewFor(
    token: string,
    asked: readonly string[],
    audiences: readonly string[] | undefined,
  ): Promise<TokenReviewResult> {
    const spec = { token, ...(asked.length === 0 ? {} : { audiences: [...asked, nobodysAudience()] }) }
    const { status } = await this.#ask('tokenreviews', (connection) =>
      connection.ask(({ authentication }, options) =>
        authentication.createTokenReview(
          { body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec } },
          options,
        ),
      ),
    )
    if (status === undefined) throw noAnswer()
    const { user } = status
    if (status.authenticated !== true || user?.username === undefined || user.username === '') {
      return refused(tokenReason(status.error, token))
    }
    const named = status.audiences ?? []
    if (asked.length === 0) for (const audience of named) this.#serverAudiences.add(audience)
    const fitting = audiences?.filter((audience) => named.includes(audience)) ?? []
    // The authenticator found another audience. Such a token must not count as one for the API server.
    if (audiences !== undefined && named.length > 0 && fitting.length === 0) {
      return refused(`its audience is not ${audiences.map((each) => `"${each}"`).join(' or ')}`)
    }
    return { authenticated: true, user: toUser(user.username, user), audiences: fitting }
  }

  async reviewAccess({
    user,
    resource = 'repositories',
    verb,
    namespace,
    name,
  }: AccessReview): Promise<AccessReviewResult> {
    // Without the client library, which the admission pods need for nothing else.
    const { status } = await this.#ask(
      'subjectaccessreviews',
      async (connection): Promise<z.infer<typeof accessSchema>> => {
        const { text } = await connection.request({
          method: 'POST',
          path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
          body: {
            apiVersion: 'authorization.k8s.io/v1',
            kind: 'SubjectAccessReview',
            spec: {
              user: user.name,
              groups: user.groups,
              uid: user.uid,
              extra: user.extra,
              resourceAttributes: {
                group: 'registry.trow.io',
                version: 'v1',
                resource,
                verb,
                namespace,
                name,
              },
            },
          },
        })
        return tryForeignJson(text, accessSchema) ?? {}
      },
    )
    if (status === undefined) throw noAnswer()
    const { allowed, denied, reason, evaluationError } = status
    const words = reason ? reason : allowed === true ? 'allowed by the cluster' : 'no RBAC rule allows it'
    return {
      allowed: allowed === true && denied !== true,
      reason: evaluationError ? `${words} (the evaluation met an error: ${evaluationError})` : words,
    }
  }

  async #ask<T>(resource: string, ask: (connection: ClusterConnection) => Promise<T>): Promise<T> {
    try {
      return await ask(this.#connection)
    } catch (error) {
      throw toUnavailable(error, resource)
    }
  }
}

/**
 * A new audience on every call. The API server caches for 10 s what it found for a token and a list of audiences, so a
 * deleted token would stay valid for that time. It cannot have a cache entry for a new list.
 */
function nobodysAudience(): string {
  return `trow-asked-at-${performance.timeOrigin + performance.now()}`
}

/** Something other than an API server answered with 200. */
function noAnswer(): ClusterUnavailable {
  return new ClusterUnavailable('no answer of an API server: a review without a status')
}

function toUnavailable(error: unknown, resource: string): unknown {
  // An error in the credential's own kubeconfig.
  if (error instanceof UserError) return new ClusterUnavailable(error.message, { cause: error })
  if (!(error instanceof ClusterFault)) return error
  const { retryAfter } = error
  const options = { retryAfter, cause: error }
  switch (error.kind) {
    case 'forbidden':
      return new ClusterUnavailable(
        `trow may not create ${resource}: bind ClusterRole system:auth-delegator to its account (${error.message})`,
        options,
      )
    case 'unauthorized':
      return new ClusterUnavailable(
        `the API server does not know trow's own credential (${error.message})`,
        options,
      )
    case 'unreachable':
    case 'busy':
    case 'refused':
      return new ClusterUnavailable(error.message, options)
  }
}

function refused(reason: string): TokenReviewResult {
  return { authenticated: false, reason }
}

/** The authenticators' message, without its brackets and with every part of the token removed. */
function tokenReason(error: string | undefined, token: string): string {
  if (error === undefined || error === '') return 'the cluster does not know the token'
  const parts = [token, ...token.split('.')].filter((part) => part.length >= 8)
  const words = parts.reduce((text, part) => text.replaceAll(part, '…'), error)
  const plain = words.replace(/^\[(.*)\]$/s, '$1').replace(/^invalid bearer token, /, '')
  return plain.length > 300 ? `${plain.slice(0, 300)}…` : plain
}

function toUser(
  name: string,
  from: { uid?: string; groups?: string[]; extra?: Record<string, string[]> },
): ClusterUser {
  return {
    name,
    groups: from.groups ?? [],
    ...(from.uid === undefined ? {} : { uid: from.uid }),
    ...(from.extra === undefined ? {} : { extra: from.extra }),
  }
}
