import type { Instant } from '../instant.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Credential } from './credential.ts'
import type { Action, AdmissionRight, Principal } from './principal.ts'

/**
 * Milliseconds that an answer about a credential may be used without asking again. A changed file is read
 * within 0.5 s; together, a revoked credential is refused within 10 s.
 */
export const answerFor = 7000

/**
 * What exists once in a process, whatever the number of workers: verified passwords, counts of failures, the
 * reviews of a cluster, signing keys. Workers ask it and cache each answer until the instant that the answer
 * names.
 */
export interface Authority {
  /**
   * `source`: the client's address, for delays after repeated failures. Never rejects because of a client's
   * error.
   */
  verify(credential: Credential, source: string): Promise<Verified>
  /**
   * Whether the node of a `node-certificate` is still in the cluster, and the service account that it was
   * issued to.
   */
  verifyNode(principal: Principal): Promise<Verified>
  /**
   * SubjectAccessReview. Runs once at a time for each principal, action and repository; equal calls share its
   * answer.
   */
  review(principal: Principal, action: Action, repository: RepositoryName): Promise<Reviewed>
  /**
   * The same for `list` on all repositories of a namespace, for a catalogue. Undefined: the repositories of
   * one segment.
   */
  reviewNamespace(principal: Principal, namespace: string | undefined): Promise<Reviewed>
  /** The same for `list` on `audit.registry.trow.io`, which is cluster-scoped: reading the audit log. */
  reviewAudit(principal: Principal): Promise<Reviewed>
  /** The same for `admission.registry.trow.io`, which is cluster-scoped: what only the admission pods may. */
  reviewAdmission(principal: Principal, right: AdmissionRight): Promise<Reviewed>
  /** The keys of trow's own tokens. */
  signingKeys(): Promise<SigningKeys>
}

export type Verified =
  | { readonly ok: true; readonly principal: Principal; /** Ask again then. */ readonly until: Instant }
  | {
      readonly ok: false
      /** `unavailable`: cannot be verified now (503); must never be treated as wrong credentials. */
      readonly kind: 'refused' | 'throttled' | 'unavailable'
      /** For the person: `the token has expired`, `its audience is not "trow"`. Holds no part of a credential. */
      readonly reason: string
      /** Seconds; for `throttled` and `unavailable`. */
      readonly retryAfter?: number
      /** Until then an equal request gets this answer without asking again. */
      readonly until: Instant
    }

export type Reviewed =
  | {
      readonly kind: 'answered'
      readonly allowed: boolean
      readonly reason: string
      readonly until: Instant
      /** An allow of a `get` that is older than usual, because the API server does not answer. */
      readonly stale?: boolean
    }
  | { readonly kind: 'unavailable'; readonly reason: string; readonly retryAfter: number }

export interface SigningKeys {
  readonly current: SigningKey
  /** The current one and those whose tokens may still be valid. */
  readonly all: readonly SigningKey[]
  /** When to ask again. */
  readonly until: Instant
  /** They could not be read now: there may be newer ones. */
  readonly isOld?: boolean
}

export interface SigningKey {
  /** RFC 7638 thumbprint. */
  readonly id: string
  /** A private EC key on P-256, PKCS #8 PEM. */
  readonly privateKey: string
  readonly createdAt: Instant
}
