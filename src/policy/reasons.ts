import type { ReferenceProblemCode } from './image-reference.ts'

/** Why content could not be looked up. The same request may get another answer later. */
export type FactFailure = 'FACT_PENDING' | 'FACT_TIMEOUT' | 'FACT_UPSTREAM'

/**
 * Why an image is refused. The codes are stable, for scripts and documentation: codes may be added, but their
 * meaning never changes.
 */
export type ReasonCode =
  | ReferenceProblemCode
  | FactFailure
  | 'DENY_LIST'
  | 'NOT_ALLOWED'
  | 'NO_POLICY'
  | 'HOST_SPELLING'
  | 'DIGEST_REQUIRED'
  | 'TAG_DENIED'
  | 'NOT_PRESENT'
  | 'PLATFORM'
  | 'SIZE'

/** The meaning of each code. */
export const reasons = {
  REF_EMPTY: 'there is no image name',
  REF_LONG: 'the name is longer than any client takes',
  REF_SYNTAX: 'it is not written like an image name',
  REF_SHORT: 'the name has no host, and the settings ask for one',
  REF_ID: 'a node reads it as the id of an image that it has, and not as a name',
  REF_HOST: 'the host cannot be a registry’s',
  REF_PORT: 'the port is none',
  REF_IPV4: 'the address is not four plain decimal numbers',
  REF_PROXY: 'below f/ stands no registry, or something was pushed there',
  REF_LOOP: 'it asks this registry for this registry as another one',
  REF_DIGEST: 'what follows the @ is no sha256 digest',
  DENY_LIST: 'it, or something that it consists of, stands on the deny list of a policy',
  NOT_ALLOWED: 'no rule of the policy covers the name, and its default is deny',
  NO_POLICY: 'no policy judges the request, and the settings refuse what none judges',
  HOST_SPELLING: 'the rule needs to see the content, and the host is written in another spelling',
  DIGEST_REQUIRED: 'the rule asks for a digest in the name',
  TAG_DENIED: 'the rule denies the tag',
  NOT_PRESENT: 'the registry does not have the image',
  PLATFORM: 'a platform that the rule asks for is missing',
  SIZE: 'the image is larger than the rule takes',
  FACT_PENDING: 'the content is still being looked at',
  FACT_TIMEOUT: 'the content could not be looked at in time',
  FACT_UPSTREAM: 'the registry that has the content did not answer',
} as const satisfies Record<ReasonCode, string>

/** Whether trow could not check the image, which is different from not allowing it. */
export function isUnchecked(reason: ReasonCode): reason is FactFailure {
  return reason === 'FACT_PENDING' || reason === 'FACT_TIMEOUT' || reason === 'FACT_UPSTREAM'
}
