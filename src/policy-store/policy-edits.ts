import type { PolicyStatus } from './policy-status.ts'
import type { UnitProblem } from './policy-source.ts'

/** One policy or exception, by its kind and name. */
export interface PolicyObjectName {
  readonly kind: 'TrowPolicy' | 'TrowException'
  readonly name: string
}

/** An object as it stands where policies are kept. */
export interface WrittenObject extends PolicyObjectName {
  /** The whole document, as it was read. */
  readonly document: unknown
  /** `sha256:…` of its `spec`: what an edit says that it was made from. */
  readonly hash: string
  /** For people: `/etc/trow/policies/production.yaml`, `trowpolicies/production`. */
  readonly place: string
}

/** One object, made, replaced or removed. */
export interface PolicyEdit extends PolicyObjectName {
  /** The whole document of the same kind and name; undefined: it is removed. */
  readonly document?: unknown
  /** The `hash` that the edit was made from; null: there was no such object; undefined: whatever is there. */
  readonly from?: string | null | undefined
}

export interface WrittenEdit {
  /** As `WrittenObject` has it. */
  readonly place: string
  /** As `WrittenObject` has it; undefined: it was removed. */
  readonly hash: string | undefined
}

/**
 * Writes where a source of policies reads. Throws UserError for what a person can act on: POLICY_READ_ONLY,
 * POLICY_CONFLICT (it is not what `from` says), POLICY_NOT_ALONE (the file holds what the edit would lose).
 */
export interface PolicyWriter {
  /** Undefined: there is none. */
  read(object: PolicyObjectName): Promise<WrittenObject | undefined>
  /** On disk, or taken by the API server, when it resolves. The document loads: that was looked at before. */
  write(edit: PolicyEdit): Promise<WrittenEdit>
}

/**
 * What the control socket is asked of policies, each a POST of the JSON but for `status`. Answers are one JSON text with status
 * 200, or 409 with the UserError's `{code, message, hint, exitCode}`; POLICY_OFF where the server has no policies.
 *
 * - `GET /policy/status`: `PolicyStatus`
 * - `POST /policy/read`, `PolicyObjectName`: `PolicyReadAnswer`
 * - `POST /policy/edit`, `PolicyEdit`: `PolicyEditAnswer`
 * - `POST /policy/coverage`, `CoverageRequest`: `Coverage` (`policy-coverage.ts`); also of a server without policies
 */
export const policyPaths = {
  status: '/policy/status',
  read: '/policy/read',
  edit: '/policy/edit',
  coverage: '/policy/coverage',
} as const

export type PolicyStatusAnswer = PolicyStatus

/** Undefined: there is no such object. */
export interface PolicyReadAnswer {
  readonly object?: WrittenObject | undefined
}

export type PolicyEditAnswer =
  /** At every door. `generation`: of what is in force now. */
  | (WrittenEdit & { readonly outcome: 'in-force'; readonly generation: number })
  /** It does not load, and nothing was written. */
  | { readonly outcome: 'rejected'; readonly problems: readonly UnitProblem[] }
  /** It is written, and was not in force within `policyEditPatience`: `problems` says why, as far as that is known. */
  | (WrittenEdit & { readonly outcome: 'written'; readonly problems: readonly UnitProblem[] })

/** Milliseconds that an edit waits until it is in force. */
export const policyEditPatience = 10_000
