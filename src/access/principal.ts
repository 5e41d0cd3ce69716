import type { NodeOrigin } from '../cluster/node-origin.ts'

/** How a caller was authenticated. */
export type PrincipalKind = (typeof principalKinds)[number]

export const principalKinds = [
  'anonymous',
  'password',
  'robot',
  'kubernetes',
  'certificate',
  'node-certificate',
  'oidc',
] as const

/** The identity of a caller. Plain data: it crosses threads, and trow's signed tokens contain it. */
export interface Principal {
  readonly kind: PrincipalKind
  /**
   * `alice`, `robot+ci`, `system:serviceaccount:team-a:builder`, `system:node:n1`, `oidc:…`,
   * `system:anonymous`. Names that begin with `system:` come only from the cluster (or trow's own CA, for a
   * node); names that begin with `robot+` are robots. A robot's name is also its user name: no `:`, as Basic
   * ends the user name there (RFC 7617), and no `$`, which shells expand.
   */
  readonly name: string
  readonly groups: readonly string[]
  readonly uid?: string
  /** Further facts of TokenReview, such as pod and node (KEP-4193); passed on to SubjectAccessReview. */
  readonly extra?: Readonly<Record<string, readonly string[]>>
  /** The cluster vouches for the name, or it carries an OIDC prefix: it may be sent to SubjectAccessReview. */
  readonly reviewable: boolean
  /**
   * Identifies the credential without revealing it, for the audit: a token's `jti`, a robot's id, a
   * certificate's serial; of a password a fingerprint of its stored hash. It changes with the password or the
   * secret.
   */
  readonly credentialId?: string
  /** All that a robot may do; undefined: rules and reviews decide. */
  readonly scope?: readonly RobotGrant[]
  /** Expiry of the credential itself, in milliseconds since the epoch, if it is known. */
  readonly expiresAt?: number
  /** Of a node certificate that trow's own CA has issued. */
  readonly node?: NodeOrigin
}

export type Action = 'pull' | 'push' | 'delete' | 'list'

/** What the admission pods do at the registry: look at facts of content, and hand in records of their decisions. */
export type AdmissionRight = 'facts' | 'records'

export const actions: readonly Action[] = ['pull', 'push', 'delete', 'list']

export interface RobotGrant {
  /** Patterns as in rules: `team-a/**`, `app`, `*`. */
  readonly repositories: readonly string[]
  readonly actions: readonly Action[]
}

export const anonymous: Principal = {
  kind: 'anonymous',
  name: 'system:anonymous',
  groups: ['system:unauthenticated'],
  reviewable: true,
}

export const robotPrefix = 'robot+'

/** A key that only equal principals share. */
export function principalKey(principal: Principal): string {
  const { kind, name, uid, groups, extra } = principal
  return JSON.stringify([kind, name, uid, groups, extra])
}
