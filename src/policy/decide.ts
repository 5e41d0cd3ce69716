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
import { judgeByPolicy, type Finding, type Refusal } from './judge-policy.ts'
import type { CompiledPolicy } from './compiled-policy.ts'
import type { PolicySet } from './policy-set.ts'
import type { Point } from './trow-policy.ts'

export interface RequestedImage {
  /** Where the request has it, for messages: a container's name. */
  readonly place: string
  /** As it was asked for. What is no text is no name. */
  readonly name: unknown
  /** What `ownImage` makes of a request at the registry itself, where no host is written. */
  readonly own?: ImageReference | ReferenceProblem
  /** A blob by its digest instead of a manifest. */
  readonly isBlob?: boolean
  /** Undefined: not asked yet. */
  readonly fact: ContentFact | undefined
}

export interface JudgeRequest {
  readonly point: Point
  /** Undefined where none is known, as at push and pull. */
  readonly namespace: string | undefined
  readonly images: readonly RequestedImage[]
}

/** What is said of one image. */
export interface ImageVerdict {
  readonly image: RequestedImage
  /** Undefined for a name that is none. */
  readonly canonical: string | undefined
  /** By policies that enforce: one is enough. */
  readonly refusals: readonly Refusal[]
  /** By policies that warn. */
  readonly warnings: readonly Refusal[]
  /** By policies that are only recorded. */
  readonly wouldDeny: readonly Refusal[]
  /** Refusals that an exception lifts. */
  readonly excepted: readonly { readonly exception: string; readonly refusal: Refusal }[]
  /** Taken without a look at the content, by policies with `onError: allow`. */
  readonly unchecked: readonly Refusal[]
}

export type Answer =
  | {
      readonly kind: 'allow' | 'deny'
      readonly verdicts: readonly ImageVerdict[]
      /** From this time on (ms since 1970) the same request may be answered otherwise, with nothing changed. */
      readonly until: number | undefined
    }
  | {
      /** The same request is to be asked again, with the content of these. */
      readonly kind: 'needs'
      readonly images: readonly RequestedImage[]
    }

/**
 * Whether images may be pushed, pulled or run: every policy that judges there must take every one of them. Depends on its
 * arguments alone; never throws, whatever the names are. `now`: ms since 1970.
 */
export function decide(request: JudgeRequest, set: PolicySet, now: number): Answer {
  const policies = set.select(request.point, request.namespace)
  const judged = request.images.map((image) => judgeImage({ image, request, policies, set, now }))
  const wanting = judged.filter(({ needsContent }) => needsContent)
  if (wanting.length > 0) return { kind: 'needs', images: wanting.map(({ verdict }) => verdict.image) }
  const verdicts = judged.map(({ verdict }) => verdict)
  const ends = judged.flatMap(({ until }) => until)
  return {
    kind: verdicts.some(({ refusals }) => refusals.length > 0) ? 'deny' : 'allow',
    verdicts,
    until: ends.length === 0 ? undefined : Math.min(...ends),
  }
}

interface Case {
  readonly image: RequestedImage
  readonly request: JudgeRequest
  readonly policies: readonly CompiledPolicy[]
  readonly set: PolicySet
  readonly now: number
}

interface Judged {
  readonly verdict: ImageVerdict
  readonly needsContent: boolean
  readonly until: readonly number[]
}

function judgeImage(one: Case): Judged {
  const { image, request, policies, set } = one
  const reference = referenceOf(image, request.point, set)
  if (reference.kind === 'problem') return refusedName(one, reference)
  if (policies.length === 0) return unjudged(one, printReference(reference))
  const { point } = request
  const { fact, isBlob = false } = image
  const findings = policies.map((compiled) => ({
    policy: compiled.policy,
    ...judgeByPolicy({ point, reference, isBlob, fact }, compiled),
  }))
  const groups = (['enforce', 'warn', 'audit'] as const).map((mode) =>
    settle(
      findings.filter(({ policy }) => policy.modes[point] === mode),
      { one, reference },
    ),
  )
  const [enforced, warned, recorded] = groups as [Settled, Settled, Settled]
  return {
    verdict: {
      image,
      canonical: printReference(reference),
      refusals: enforced.standing,
      warnings: warned.standing,
      wouldDeny: recorded.standing,
      excepted: groups.flatMap(({ excepted }) => excepted),
      unchecked: findings.flatMap(({ unchecked }) => unchecked ?? []),
    },
    // A refusal stands whatever the other policies would find.
    needsContent:
      groups.some(({ needsContent }) => needsContent) &&
      (enforced.needsContent || enforced.standing.length === 0),
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

/** What is no name is refused by every policy alike, and no exception can name it. */
function refusedName({ image, request, policies, set }: Case, problem: ReferenceProblem): Judged {
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
  return {
    verdict: {
      image,
      canonical: undefined,
      refusals: [...inMode('enforce'), ...alone],
      warnings: inMode('warn'),
      wouldDeny: inMode('audit'),
      excepted: [],
      unchecked: [],
    },
    needsContent: false,
    until: [],
  }
}

function unjudged({ image, set }: Case, canonical: string): Judged {
  const none: Refusal = {
    policy: '',
    reason: 'NO_POLICY',
    detail: 'no policy judges it, and the settings refuse what none judges',
    fix: 'make a policy for it',
    rule: undefined,
  }
  const refusals = set.settings.noPolicy === 'deny' ? [none] : []
  return {
    verdict: { image, canonical, refusals, warnings: [], wouldDeny: [], excepted: [], unchecked: [] },
    needsContent: false,
    until: [],
  }
}

interface Settled {
  readonly standing: readonly Refusal[]
  readonly excepted: ImageVerdict['excepted']
  readonly needsContent: boolean
  readonly until: number | undefined
}

/** The findings of policies with the same effect: what refuses together is lifted together, or not at all. */
function settle(
  findings: readonly (Finding & { readonly policy: { readonly name: string } })[],
  { one, reference }: { readonly one: Case; readonly reference: ImageReference },
): Settled {
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
