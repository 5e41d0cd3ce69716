import type { Digest } from '../oci/digest.ts'
import type { Lifting } from './exception-index.ts'
import type { ContentFact } from './image-content.ts'
import {
  ownRegistry,
  parseImageReference,
  printReference,
  type ImageReference,
  type ReferenceProblem,
} from './image-reference.ts'
import { judgeByPolicy, taken, type Finding, type Refusal } from './judge-policy.ts'
import { nameRefusals } from './name-refusals.ts'
import type { CompiledPolicy } from './compiled-policy.ts'
import type { PolicySet } from './policy-set.ts'
import type { Point } from './trow-policy.ts'

export interface RequestedImage {
  /** The image's place in the request, for messages: a container's name. */
  readonly place: string
  /** The name as requested. A value that is not a string is not a name. */
  readonly name: unknown
  /** The result of `ownImage` for a request to the registry itself, which names no host. */
  readonly own?: ImageReference | ReferenceProblem
  /** True: a blob by its digest, not a manifest. */
  readonly isBlob?: boolean
  /** Undefined: not looked up yet. */
  readonly fact: ContentFact | undefined
}

export interface JudgeRequest {
  readonly point: Point
  /** Undefined where no namespace is known, as at push and pull. */
  readonly namespace: string | undefined
  readonly images: readonly RequestedImage[]
}

/** The result for one image. */
export interface ImageVerdict {
  readonly image: RequestedImage
  /** Undefined for an invalid name. */
  readonly canonical: string | undefined
  /** Refusals by policies that enforce: one is enough to deny. */
  readonly refusals: readonly Refusal[]
  /** Refusals by policies that only warn. */
  readonly warnings: readonly Refusal[]
  /** Refusals by policies that are only audited. */
  readonly wouldDeny: readonly Refusal[]
  /** Refusals that an exception lifts. */
  readonly excepted: readonly { readonly exception: string; readonly refusal: Refusal }[]
  /** Refusals not applied because the content could not be checked and the policy has `onError: allow`. */
  readonly unchecked: readonly Refusal[]
}

export type Answer =
  | {
      readonly kind: 'allow' | 'deny'
      readonly verdicts: readonly ImageVerdict[]
      /**
       * From this time on (ms since 1970) the same request may get another answer although nothing has
       * changed.
       */
      readonly until: number | undefined
    }
  | {
      /** The content of these images is needed: ask again with their facts. */
      readonly kind: 'needs'
      readonly images: readonly RequestedImage[]
      /** Whether their platforms are needed too, which cost a look at their configs. */
      readonly platforms: boolean
    }

/**
 * Decides whether images may be pushed, pulled or run: every policy that applies at that point must accept
 * every image. The answer depends only on the arguments. Never throws, whatever the names are. `now`: ms
 * since 1970.
 */
export function decide(request: JudgeRequest, set: PolicySet, now: number): Answer {
  const policies = set.select(request.point, request.namespace)
  const judged = request.images.map((image) => judgeImage({ image, request, policies, set, now }))
  const wanting = judged.filter(({ needsContent }) => needsContent)
  if (wanting.length > 0)
    return {
      kind: 'needs',
      images: wanting.map(({ verdict }) => verdict.image),
      platforms: wanting.some(({ needsPlatforms }) => needsPlatforms),
    }
  const verdicts = judged.map(({ verdict }) => verdict)
  const ends = judged.flatMap(({ until }) => until)
  return {
    kind: verdicts.some(({ refusals }) => refusals.length > 0) ? 'deny' : 'allow',
    verdicts,
    until: ends.length === 0 ? undefined : Math.min(...ends),
  }
}

/**
 * Returns whether every policy accepts every image and has nothing to say about any: `decide` then allows the request, for as
 * long as the policies stay the same. Most pushes are of this kind, and each push waits for this.
 */
export function isTaken({ point, namespace, images }: JudgeRequest, set: PolicySet): boolean {
  const policies = set.select(point, namespace)
  if (policies.length === 0) return false
  for (const image of images) {
    const reference = referenceOf(image, point, set)
    if (reference.kind === 'problem') return false
    const { fact, isBlob = false } = image
    const subject = { point, reference, isBlob, fact }
    for (const policy of policies) if (judgeByPolicy(subject, policy) !== taken) return false
  }
  return true
}

/**
 * Returns whether no policy refuses the images by their names. No exception and no time matters then; their content may still be
 * refused.
 */
export function passesByName({ point, namespace, images }: JudgeRequest, set: PolicySet): boolean {
  const policies = set.select(point, namespace)
  if (policies.length === 0) return set.settings.noPolicy !== 'deny'
  return images.every((image) => {
    const reference = referenceOf(image, point, set)
    if (reference.kind === 'problem') return false
    const subject = { point, reference, isBlob: image.isBlob ?? false, fact: undefined }
    return policies.every((policy) => judgeByPolicy(subject, policy).refusal === undefined)
  })
}

interface Case {
  readonly image: RequestedImage
  readonly request: JudgeRequest
  readonly policies: readonly CompiledPolicy[]
  readonly set: PolicySet
  readonly now: number
}

interface JudgedImage {
  readonly verdict: ImageVerdict
  readonly needsContent: boolean
  readonly needsPlatforms: boolean
  readonly until: readonly number[]
}

function judgeImage(one: Case): JudgedImage {
  const { image, request, policies, set } = one
  const reference = referenceOf(image, request.point, set)
  if (reference.kind === 'problem') return refusedName(one, reference)
  if (policies.length === 0) return unjudged(one, printReference(reference))
  const { point } = request
  const { fact, isBlob = false } = image
  const subject = { point, reference, isBlob, fact }
  const findings = policies.flatMap((compiled) => {
    const finding = judgeByPolicy(subject, compiled)
    return finding === taken ? [] : { policy: compiled.policy, ...finding }
  })
  const canonical = printReference(reference)
  const unchecked = findings.flatMap((finding) => finding.unchecked ?? [])
  const needsPlatforms = findings.some((finding) => finding.needsPlatforms)
  // Most requests end here, and each push waits for this.
  if (findings.every(({ refusal }) => refusal === undefined)) {
    const needsContent = findings.some((finding) => finding.needsContent)
    return { ...judgedAs(image, canonical, { unchecked }), needsContent, needsPlatforms }
  }
  const groups = (['enforce', 'warn', 'audit'] as const).map((mode) =>
    settle(
      findings.filter(({ policy }) => policy.modes[point] === mode),
      { one, reference },
    ),
  )
  const [enforced, warned, recorded] = groups as [SettledRefusals, SettledRefusals, SettledRefusals]
  return {
    verdict: {
      image,
      canonical,
      refusals: enforced.standing,
      warnings: warned.standing,
      wouldDeny: recorded.standing,
      excepted: groups.flatMap(({ excepted }) => excepted),
      unchecked,
    },
    // A refusal stands whatever other policies would find.
    needsContent:
      groups.some(({ needsContent }) => needsContent) &&
      (enforced.needsContent || enforced.standing.length === 0),
    needsPlatforms,
    until: groups.flatMap(({ until }) => until ?? []),
  }
}

function referenceOf(
  { name, own }: RequestedImage,
  point: Point,
  { settings }: PolicySet,
): ImageReference | ReferenceProblem {
  const reference = own ?? parseImageReference(name, settings)
  if (reference.kind === 'reference' && reference.proxied && point === 'push')
    return {
      kind: 'problem',
      code: 'REF_PROXY',
      message: 'f/ is kept for the content of other registries, and nothing is pushed there',
    }
  return reference
}

/** Every policy refuses an invalid name, and no exception can name it. */
function refusedName({ image, request, policies, set }: Case, problem: ReferenceProblem): JudgedImage {
  const by = (policy: string): Refusal => ({
    policy,
    reason: problem.code,
    detail: problem.message,
    fix: undefined,
    rule: undefined,
  })
  const inMode = (mode: string): Refusal[] =>
    policies.filter(({ policy }) => policy.modes[request.point] === mode).map(({ policy }) => by(policy.name))
  const alone = policies.length === 0 && set.settings.noPolicy === 'deny' ? [by('')] : []
  return judgedAs(image, undefined, {
    refusals: [...inMode('enforce'), ...alone],
    warnings: inMode('warn'),
    wouldDeny: inMode('audit'),
  })
}

function unjudged({ image, set }: Case, canonical: string): JudgedImage {
  const refusal: Refusal = {
    policy: '',
    reason: 'NO_POLICY',
    ...nameRefusals.NO_POLICY,
    rule: undefined,
  }
  return judgedAs(image, canonical, { refusals: set.settings.noPolicy === 'deny' ? [refusal] : none })
}

const none: readonly never[] = []

/** A judgement in which no exception matters. */
function judgedAs(
  image: RequestedImage,
  canonical: string | undefined,
  { refusals = none, warnings = none, wouldDeny = none, unchecked = none }: Partial<ImageVerdict> = {},
): JudgedImage {
  return {
    verdict: { image, canonical, refusals, warnings, wouldDeny, excepted: none, unchecked },
    needsContent: false,
    needsPlatforms: false,
    until: none,
  }
}

interface SettledRefusals {
  readonly standing: readonly Refusal[]
  readonly excepted: ImageVerdict['excepted']
  readonly needsContent: boolean
  readonly until: number | undefined
}

/**
 * Settles the findings of policies in the same mode: an exception must lift all their refusals together, or
 * it lifts none.
 */
function settle(
  findings: readonly (Finding & { readonly policy: { readonly name: string } })[],
  { one, reference }: { readonly one: Case; readonly reference: ImageReference },
): SettledRefusals {
  const { image, request, set, now } = one
  const refusing = findings.filter(({ refusal }) => refusal !== undefined)
  const refusals = refusing.flatMap(({ refusal }) => refusal ?? [])
  const wanted = findings.some(({ needsContent }) => needsContent)
  if (refusals.length === 0) return { standing: [], excepted: [], needsContent: wanted, until: undefined }
  const lifting: Lifting = {
    reference,
    digests: digestsOf(reference, image.fact),
    policies: refusing.map(({ policy }) => policy.name),
    override: refusing.some(({ isDenied }) => isDenied),
    namespace: request.namespace,
    now,
  }
  const exception = set.exceptions.find(lifting)
  if (exception === undefined) {
    const isUnseen = image.fact === undefined && reference.host === ownRegistry
    const needsContent = isUnseen && set.exceptions.couldByDigest(lifting)
    return { standing: refusals, excepted: [], needsContent, until: undefined }
  }
  return {
    standing: [],
    excepted: refusals.map((refusal) => ({ exception: exception.name, refusal })),
    needsContent: wanted,
    until: exception.expires,
  }
}

function digestsOf({ digest }: ImageReference, fact: ContentFact | undefined): readonly Digest[] {
  return [digest ?? [], fact?.kind === 'known' ? fact.content.digests : []].flat()
}
