import type { Digest } from '../oci/digest.ts'
import type { CompiledPolicy } from './compiled-policy.ts'
import type { ContentFact, ImageContent } from './image-content.ts'
import { ownRegistry, printReference, type ImageReference } from './image-reference.ts'
import type { FactFailure, ReasonCode } from './reasons.ts'
import { printSize } from './size.ts'
import type { DenyEntry, Point, Requirements, Rule } from './trow-policy.ts'

/** What one policy is asked about. */
export interface Subject {
  readonly point: Point
  readonly reference: ImageReference
  /** A blob has no tag, no platform and no size of its own that a rule could mean: manifests that name it are judged. */
  readonly isBlob: boolean
  readonly fact: ContentFact | undefined
}

/** Why a policy does not take an image. */
export interface Refusal {
  readonly policy: string
  readonly reason: ReasonCode
  /** In words, without a full stop. */
  readonly detail: string
  /** What to do about it. */
  readonly fix: string | undefined
  /** The scope of the rule, or of the entry on the deny list. */
  readonly rule: string | undefined
}

export interface Finding {
  /** Undefined: the policy takes the image, as far as its content is known. */
  readonly refusal: Refusal | undefined
  /** Whether a deny list is, or for all that is known may be, in the way. */
  readonly isDenied: boolean
  /** Whether the content has to be looked at before this can be the last word. */
  readonly needsContent: boolean
  /** What was taken without a look, since the policy says so. */
  readonly unchecked: Refusal | undefined
}

const taken: Finding = { refusal: undefined, isDenied: false, needsContent: false, unchecked: undefined }

/** One policy's finding about one image. */
export function judgeByPolicy(subject: Subject, compiled: CompiledPolicy): Finding {
  const denied = denial(subject, compiled)
  if (denied !== undefined) return { ...taken, refusal: denied, isDenied: true }
  const unseen = compiled.deniedDigests.size > 0 ? unseenContent(subject) : undefined
  const found = byRules(subject, compiled)
  // A name that is refused anyhow needs no look at the content, unless an exception lifts the refusal.
  if (unseen === 'wanted') return { ...found, needsContent: true }
  if (unseen === undefined) return found
  const failure = failed(compiled, unseen)
  if (compiled.policy.onError === 'allow') return { ...found, unchecked: failure }
  return { ...found, refusal: found.refusal ?? failure, isDenied: true }
}

/** Whether it stands on the deny list, by its name or by a digest of anything that it consists of. */
function denial({ reference, fact }: Subject, compiled: CompiledPolicy): Refusal | undefined {
  const scope = compiled.deniedScopes.find(reference)
  if (scope !== undefined) return deniedBy(compiled, scope, 'is denied')
  const content = fact?.kind === 'known' ? fact.content : undefined
  const own = [reference.digest ?? [], content?.digests ?? []].flat()
  const entry = firstOf(own, compiled) ?? firstOf(content?.contains ?? [], compiled)
  if (entry === undefined) return undefined
  const isOwn = own.some((digest) => digest === entry.target)
  return deniedBy(compiled, entry, isOwn ? 'is denied' : 'is denied, and is part of it')
}

function firstOf(digests: readonly Digest[], { deniedDigests }: CompiledPolicy): DenyEntry | undefined {
  for (const digest of digests) {
    const entry = deniedDigests.get(digest)
    if (entry !== undefined) return entry
  }
  return undefined
}

function deniedBy(compiled: CompiledPolicy, { target, reason, fix }: DenyEntry, how: string): Refusal {
  const what = typeof target === 'string' ? target : target.text
  return refusal(compiled, { reason: 'DENY_LIST', detail: `${what} ${how}: ${reason}`, fix, rule: what })
}

/** Why content is not known: it has not been asked for, or could not be had. Undefined: there is nothing to ask. */
function unseenContent({ reference, fact }: Subject): 'wanted' | FactFailure | undefined {
  if (fact === undefined) return reference.host === ownRegistry ? 'wanted' : undefined
  return fact.kind === 'failed' ? fact.reason : undefined
}

function byRules(subject: Subject, compiled: CompiledPolicy): Finding {
  const rule = compiled.rules.find(subject.reference)
  if (rule === undefined) {
    if (compiled.policy.default === 'pass') return taken
    const detail = 'no rule covers the name, and the default is deny'
    const fix = 'use an image that a rule covers, or ask for a rule or an exception'
    return { ...taken, refusal: refusal(compiled, { reason: 'NOT_ALLOWED', detail, fix }) }
  }
  if (rule.require === undefined || subject.isBlob) return taken
  const byName = nameProblem(subject, rule.require)
  if (byName !== undefined)
    return { ...taken, refusal: refusal(compiled, { ...byName, rule: rule.scope.text }) }
  return needsContent(rule.require) ? byContent(subject, compiled, { ...rule, require: rule.require }) : taken
}

type Problem = Pick<Refusal, 'reason' | 'detail' | 'fix'>

function nameProblem({ point, reference, fact }: Subject, require: Requirements): Problem | undefined {
  const isEvidence = fact?.kind === 'known' && fact.content.isEvidence
  // A push by tag is how a digest comes to be.
  if (require.digest && reference.digest === undefined && point !== 'push' && !isEvidence)
    return {
      reason: 'DIGEST_REQUIRED',
      detail: 'the name has no digest',
      fix: 'put @sha256:… behind the name',
    }
  if (reference.tag !== undefined && require.deniedTags.has(reference.tag))
    return {
      reason: 'TAG_DENIED',
      detail: `the tag ${reference.tag} is denied`,
      fix: 'use another tag, or a digest',
    }
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
  { point, reference, fact }: Subject,
  compiled: CompiledPolicy,
  rule: Rule & { readonly require: Requirements },
): Finding {
  if (fact === undefined) return { ...taken, needsContent: true }
  if (fact.kind === 'failed') {
    const failure = { ...failed(compiled, fact.reason), rule: rule.scope.text }
    return compiled.policy.onError === 'allow'
      ? { ...taken, unchecked: failure }
      : { ...taken, refusal: failure }
  }
  // A child of an index is pushed before the index that lists it.
  const isPart = point === 'push' && reference.digest !== undefined
  const require = isPart ? { ...rule.require, platforms: [] } : rule.require
  const problem = fact.kind === 'absent' ? absent(reference) : contentProblem(fact.content, require)
  if (problem === undefined) return taken
  return { ...taken, refusal: refusal(compiled, { ...problem, rule: rule.scope.text }) }
}

function absent(reference: ImageReference): Problem {
  return {
    reason: 'NOT_PRESENT',
    detail: `the registry has no ${printReference(reference)}`,
    fix: 'push it, or correct the name',
  }
}

function contentProblem(content: ImageContent, { platforms, maxSize }: Requirements): Problem | undefined {
  const missing = content.isEvidence ? [] : missingPlatforms(content, platforms)
  if (missing.length > 0)
    return {
      reason: 'PLATFORM',
      detail: `it has nothing for ${missing.join(', ')}`,
      fix: `push an index with ${platforms.join(', ')}`,
    }
  if (maxSize === undefined || content.size <= maxSize) return undefined
  return {
    reason: 'SIZE',
    detail: `it has ${content.size} bytes, and may have ${printSize(maxSize)}`,
    fix: 'make it smaller',
  }
}

/** Of a child of an index those of that index count, whichever lacks the fewest. */
function missingPlatforms(content: ImageContent, wanted: readonly string[]): readonly string[] {
  const missing = (has: readonly string[]): readonly string[] =>
    wanted.filter((platform) => !has.some((each) => each === platform || each.startsWith(`${platform}/`)))
  return [content.platforms, ...content.listedBy]
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
