import { counted } from '../counted.ts'
import type { Digest } from '../oci/digest.ts'
import type { CompiledPolicy, Denied, RequiringRule } from './compiled-policy.ts'
import type { ContentFact, ImageContent } from './image-content.ts'
import { ownRegistry, printReference, type ImageReference } from './image-reference.ts'
import { deniedTag, nameRefusals } from './name-refusals.ts'
import type { FactFailure, ReasonCode } from './reasons.ts'
import { printSize } from './size.ts'
import type { Point, Requirements } from './trow-policy.ts'

/** The image that one policy judges. */
export interface JudgedContent {
  readonly point: Point
  readonly reference: ImageReference
  /**
   * A blob has no tag, platform or size that a rule could check; the manifests that refer to it are judged
   * instead.
   */
  readonly isBlob: boolean
  readonly fact: ContentFact | undefined
}

/** Why a policy refuses an image. */
export interface Refusal {
  readonly policy: string
  readonly reason: ReasonCode
  /** A sentence without a full stop. */
  readonly detail: string
  /** How to resolve it. */
  readonly fix: string | undefined
  /** The scope of the rule, or the entry of the deny list. */
  readonly rule: string | undefined
}

export interface Finding {
  /** Undefined: the policy accepts the image, as far as its content is known. */
  readonly refusal: Refusal | undefined
  /** Whether a deny list refuses the image, or may refuse it as long as the content is unknown. */
  readonly isDenied: boolean
  /** Whether the content must be looked up before this finding is final. */
  readonly needsContent: boolean
  /** Whether the platforms are part of what must be looked up. */
  readonly needsPlatforms: boolean
  /** A check that failed and is passed over, because the policy has `onError: allow`. */
  readonly unchecked: Refusal | undefined
}

/** The finding of a policy that accepts an image. Most findings are this object. */
export const taken: Finding = {
  refusal: undefined,
  isDenied: false,
  needsContent: false,
  needsPlatforms: false,
  unchecked: undefined,
}

/** Returns one policy's finding about one image. */
export function judgeByPolicy(subject: JudgedContent, compiled: CompiledPolicy): Finding {
  const denied = denial(subject, compiled)
  if (denied !== undefined) return { ...taken, refusal: denied, isDenied: true }
  const unseen = compiled.deniedDigests.size > 0 ? unseenContent(subject) : undefined
  const found = byRules(subject, compiled)
  // An image that is refused by name needs no look-up of its content, unless an exception lifts the refusal.
  if (unseen === 'wanted') return { ...found, needsContent: true }
  if (unseen === undefined) return found
  const failure = failed(compiled, unseen)
  if (compiled.policy.onError === 'allow') return { ...found, unchecked: failure }
  return { ...found, refusal: found.refusal ?? failure, isDenied: true }
}

const unknown: Pick<ImageContent, 'digests' | 'contains'> = { digests: [], contains: [] }

/** Finds the image on the deny list, by its name or by a digest of anything that it consists of. */
function denial({ reference, fact }: JudgedContent, compiled: CompiledPolicy): Refusal | undefined {
  const named = compiled.deniedScopes.find(reference)
  if (named !== undefined) return deniedBy(compiled, named.scope, named, 'is denied')
  const { digests, contains } = fact?.kind === 'known' ? fact.content : unknown
  const own = reference.digest === undefined ? digests : [reference.digest, ...digests]
  return (
    deniedDigest(own, compiled, 'is denied') ??
    deniedDigest(contains, compiled, 'is denied, and is part of it')
  )
}

function deniedDigest(
  digests: readonly Digest[],
  compiled: CompiledPolicy,
  how: string,
): Refusal | undefined {
  for (const digest of digests) {
    const denied = compiled.deniedDigests.get(digest)
    if (denied !== undefined) return deniedBy(compiled, digest, denied, how)
  }
  return undefined
}

function deniedBy(compiled: CompiledPolicy, what: string, { reason, fix }: Denied, how: string): Refusal {
  return refusal(compiled, { reason: 'DENY_LIST', detail: `${what} ${how}: ${reason}`, fix, rule: what })
}

/**
 * Why content is unknown: not looked up yet, or the look-up failed. Undefined: the content is known, or there
 * is none to look up.
 */
function unseenContent({ reference, fact }: JudgedContent): 'wanted' | FactFailure | undefined {
  if (fact === undefined) return reference.host === ownRegistry ? 'wanted' : undefined
  return fact.kind === 'failed' ? fact.reason : undefined
}

function byRules(subject: JudgedContent, compiled: CompiledPolicy): Finding {
  const rule = compiled.rules.find(subject.reference)
  if (rule === undefined) {
    if (compiled.policy.default === 'pass') return taken
    return { ...taken, refusal: refusal(compiled, { reason: 'NOT_ALLOWED', ...nameRefusals.NOT_ALLOWED }) }
  }
  if (rule.require === undefined || subject.isBlob) return taken
  const byName = nameProblem(subject, rule.require)
  if (byName !== undefined) return { ...taken, refusal: refusal(compiled, { ...byName, rule: rule.scope }) }
  return needsContent(rule.require) ? byContent(subject, compiled, rule) : taken
}

type Problem = Pick<Refusal, 'reason' | 'detail' | 'fix'>

function nameProblem({ point, reference, fact }: JudgedContent, require: Requirements): Problem | undefined {
  const isEvidence = fact?.kind === 'known' && fact.content.isEvidence
  // A push by tag creates the digest, so it cannot name one.
  if (require.digest && reference.digest === undefined && point !== 'push' && !isEvidence)
    return { reason: 'DIGEST_REQUIRED', ...nameRefusals.DIGEST_REQUIRED }
  if (reference.tag !== undefined && require.deniedTags.has(reference.tag))
    return { reason: 'TAG_DENIED', ...deniedTag(reference.tag) }
  if (reference.hostToWrite !== undefined && needsContent(require))
    return {
      reason: 'HOST_SPELLING',
      detail: 'nodes do not know the host in this spelling',
      fix: `write ${reference.hostToWrite}`,
    }
  return undefined
}

function needsContent({ present, platforms, maxSize }: Requirements): boolean {
  return present || platforms.length > 0 || maxSize !== undefined
}

function byContent(
  { point, reference, fact }: JudgedContent,
  compiled: CompiledPolicy,
  { scope: rule, require }: RequiringRule,
): Finding {
  const wanting = { ...taken, needsContent: true, needsPlatforms: require.platforms.length > 0 }
  if (fact === undefined) return wanting
  if (fact.kind === 'failed') {
    const failure = { ...failed(compiled, fact.reason), rule }
    return compiled.policy.onError === 'allow'
      ? { ...taken, unchecked: failure }
      : { ...taken, refusal: failure }
  }
  // The children of an index are pushed before the index that lists them.
  const isPart = point === 'push' && reference.digest !== undefined
  const platforms = isPart || (fact.kind === 'known' && fact.content.isEvidence) ? [] : require.platforms
  if (platforms.length > 0 && fact.kind === 'known' && fact.content.platforms === undefined) return wanting
  const problem =
    fact.kind === 'absent' ? absent(reference) : contentProblem(fact.content, { ...require, platforms })
  if (problem === undefined) return taken
  return { ...taken, refusal: refusal(compiled, { ...problem, rule }) }
}

function absent(reference: ImageReference): Problem {
  return {
    reason: 'NOT_PRESENT',
    detail: `the registry has no ${printReference(reference)}`,
    fix: 'push it, or correct the name',
  }
}

function contentProblem(content: ImageContent, { platforms, maxSize }: Requirements): Problem | undefined {
  const missing = missingPlatforms(content, platforms)
  if (missing.length > 0)
    return {
      reason: 'PLATFORM',
      detail: `it has nothing for ${missing.join(', ')}`,
      fix: `push an index with ${platforms.join(', ')}`,
    }
  if (maxSize === undefined || content.size <= maxSize) return undefined
  return {
    reason: 'SIZE',
    detail: `it has ${counted(content.size, 'byte')}, and may have ${printSize(maxSize)}`,
    fix: 'make it smaller',
  }
}

/**
 * For a child of an index, the platforms of that index count; of several, those of the index that lacks the
 * fewest.
 */
function missingPlatforms(content: ImageContent, wanted: readonly string[]): readonly string[] {
  const missing = (has: readonly string[]): readonly string[] =>
    wanted.filter((platform) => !has.some((each) => each === platform || each.startsWith(`${platform}/`)))
  return [content.platforms ?? [], ...content.listedBy]
    .map((has) => missing(has))
    .reduce((fewest, each) => (each.length < fewest.length ? each : fewest))
}

function failed(compiled: CompiledPolicy, reason: FactFailure): Refusal {
  const detail = {
    FACT_PENDING: 'its content is still being looked at',
    FACT_TIMEOUT: 'its content could not be looked at in time',
    FACT_UPSTREAM: 'the registry that has its content did not answer',
  }[reason]
  return refusal(compiled, { reason, detail, fix: 'try again' })
}

function refusal(compiled: CompiledPolicy, parts: Problem & { readonly rule?: string }): Refusal {
  return { policy: compiled.policy.name, rule: undefined, ...parts }
}
