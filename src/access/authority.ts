import type { Instant } from '../instant.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Credential } from './credential.ts'
import type { Action, Principal } from './principal.ts'

/**
 * How long an answer about a credential may be used without asking again, in milliseconds: with the 2 s after which a
 * changed file is read, whatever is revoked is refused within 10 s.
 */
export const answerFor = 7000

/**
 * What must be one in a process, whatever the number of workers: verified passwords, counts of failures, the reviews
 * of a cluster, signing keys. Workers ask it and keep the answers as long as they say.
 */
export interface Authority {
  /** `source`: the client's address, for delays of repeated failures. Never rejects for what a client did. */
  verify(credential: Credential, source: string): Promise<Verified>
  /** Whether the node of a `node-certificate` is still one of the cluster's, and the account that it was issued to. */
  verifyNode(principal: Principal): Promise<Verified>
  /** SubjectAccessReview. One at a time per principal, action and repository; others wait for its answer. */
  review(principal: Principal, action: Action, repository: RepositoryName): Promise<Reviewed>
  /** The same for `list` on all repositories of a namespace (undefined: those of one segment), as a catalogue needs it. */
  reviewNamespace(principal: Principal, namespace: string | undefined): Promise<Reviewed>
  /** The same for `list` on `audit.registry.trow.io`, which belongs to no namespace: reading the audit log. */
  reviewAudit(principal: Principal): Promise<Reviewed>
  /** Private and public keys of our own tokens, as JWK. */
  signingKeys(): Promise<SigningKeys>
}

export type Verified =
  | { readonly ok: true; readonly principal: Principal; /** Ask again then. */ readonly until: Instant }
  | {
      readonly ok: false
      /** `unavailable`: nobody can tell now (503), never to be taken for wrong credentials. */
      readonly kind: 'refused' | 'throttled' | 'unavailable'
      /** For the person: `the token has expired`, `its audience is not "trow"`. Holds no part of a credential. */
      readonly reason: string
      /** Seconds; for `throttled` and `unavailable`. */
      readonly retryAfter?: number
      /** How long an equal request may be answered so without asking again. */
      readonly until: Instant
    }

export type Reviewed =
  | {
      readonly kind: 'answered'
      readonly allowed: boolean
      readonly reason: string
      readonly until: Instant
      /** An allow of a `get` that is older than usual, because the API server does not answer now. */
      readonly stale?: boolean
    }
  | { readonly kind: 'unavailable'; readonly reason: string; readonly retryAfter: number }

export interface SigningKeys {
  readonly current: SigningKey
  /** The current one and those whose tokens may still be valid. */
  readonly all: readonly SigningKey[]
  /** When to ask again. */
  readonly until: Instant
}

export interface SigningKey {
  /** RFC 7638 thumbprint. */
  readonly id: string
  /** A private EC key on P-256, PKCS #8 PEM. */
  readonly privateKey: string
  readonly createdAt: Instant
}
