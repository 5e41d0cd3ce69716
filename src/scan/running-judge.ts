import { setImmediate as nextTurn } from 'node:timers/promises'
import { decide, type ImageVerdict } from '../policy/decide.ts'
import type { ContentFact, ImageContent } from '../policy/image-content.ts'
import { ownRegistry, parseImageReference, type ImageReference } from '../policy/image-reference.ts'
import type { PolicySet } from '../policy/policy-set.ts'
import type { Point } from '../policy/trow-policy.ts'
import { FactLooks, type RunningContent } from './fact-looks.ts'
import { parseImageId, type RunningDigest } from './image-id.ts'
import type { NamespaceImage } from './running-groups.ts'

export interface RunningJudgeParts {
  readonly point: Extract<Point, 'scan' | 'admission'>
  readonly content: RunningContent
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Milliseconds of judging between two turns of the event loop. */
const longestTurn = 10

/** Judges images that run: by the name that the pod has, and by what the node says that it got for it. */
export class RunningJudge {
  readonly #parts: RunningJudgeParts
  readonly #looks: FactLooks

  constructor(parts: RunningJudgeParts) {
    this.#parts = parts
    this.#looks = new FactLooks(parts.content, parts.now)
  }

  /** Rejects when the signal fires. What cannot be looked at is a verdict that says so. */
  async judge(
    images: readonly NamespaceImage[],
    set: PolicySet,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<NamespaceImage, ImageVerdict>> {
    const verdicts = new Map<NamespaceImage, ImageVerdict>()
    const wanting: Case[] = []
    const turns = new Turns(signal)
    for (const image of images) {
      const one = caseOf(image, set)
      const verdict = this.#decide(one, one.fact)
      if (verdict === undefined) wanting.push(one)
      else verdicts.set(image, verdict)
      await turns.next()
    }
    const facts = await this.#looks.all(wanting, signal)
    for (const [place, one] of wanting.entries()) {
      verdicts.set(one.image, this.#decideKnowing(one, facts[place] ?? unreachable))
      await turns.next()
    }
    return verdicts
  }

  #decideKnowing(one: Case, fact: ContentFact): ImageVerdict {
    const verdict = this.#decide(one, fact)
    if (verdict === undefined) throw new Error('the judge asks for what it was told')
    const { reference, running } = one
    if (fact.kind !== 'absent' || reference === undefined || running === undefined) return verdict
    // The registry has it no more: the node's digest is all that is known of it, and may be denied.
    const byDigest = this.#decide({ ...one, reference: { ...reference, digest: running.digest } }, fact)
    return byDigest !== undefined && isDenied(byDigest) ? byDigest : verdict
  }

  /** Undefined: facts about the content are needed. */
  #decide({ image, reference, set }: Case, fact: ContentFact | undefined): ImageVerdict | undefined {
    const { namespace, name } = image
    const { point, now } = this.#parts
    const own = reference === undefined ? {} : { own: reference }
    const answer = decide({ point, namespace, images: [{ place: '', name, fact, ...own }] }, set, now())
    return answer.kind === 'needs' ? undefined : answer.verdicts[0]
  }
}

/** An image with what follows from its texts. */
interface Case {
  readonly image: NamespaceImage
  /** Undefined: the name is none. */
  readonly reference: ImageReference | undefined
  /** Undefined: the node says nothing yet. */
  readonly running: RunningDigest | undefined
  readonly fact: ContentFact | undefined
  readonly set: PolicySet
}

const unreachable: ContentFact = { kind: 'failed', reason: 'FACT_UPSTREAM' }

function caseOf(image: NamespaceImage, set: PolicySet): Case {
  const parsed = parseImageReference(image.name, set.settings)
  const reference = parsed.kind === 'reference' ? parsed : undefined
  const running = parseImageId(image.imageId)
  const isForeign = reference !== undefined && reference.host !== ownRegistry
  // Of another registry's content nothing is known but this: enough for lists of digests.
  const fact = isForeign && running !== undefined ? digestAlone(running) : undefined
  return { image, reference, running, fact, set }
}

function digestAlone({ digest }: RunningDigest): ContentFact {
  const content: ImageContent = {
    digests: [digest],
    contains: [],
    platforms: [],
    listedBy: [],
    size: 0,
    isEvidence: false,
  }
  return { kind: 'known', content }
}

function isDenied({ refusals, warnings, wouldDeny }: ImageVerdict): boolean {
  return [...refusals, ...warnings, ...wouldDeny].some(({ reason }) => reason === 'DENY_LIST')
}

/** Gives the event loop a turn after every `longestTurn` milliseconds. */
class Turns {
  readonly #signal: AbortSignal
  #begun = performance.now()

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  async next(): Promise<void> {
    if (performance.now() - this.#begun < longestTurn) return
    await nextTurn(undefined, { signal: this.#signal })
    this.#begun = performance.now()
  }
}
