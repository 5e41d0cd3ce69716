import pLimit from 'p-limit'
import { z } from 'zod'
import { inTime } from '../in-time.ts'
import { isDigest, type Digest } from '../oci/digest.ts'
import type { ContentFact } from '../policy/image-content.ts'
import { ownRegistry, type ImageReference } from '../policy/image-reference.ts'
import { RecentCache } from '../recent-cache.ts'
import type { ContentSource } from './admission-judge.ts'

export interface RegistryContentParts {
  /** The answer's JSON. Rejects when there is none. */
  readonly ask: (
    question: { readonly repository: string; readonly reference: string },
    signal: AbortSignal,
  ) => Promise<unknown>
  /** Milliseconds of a clock that does not jump. */
  readonly now: () => number
}

interface Told {
  readonly fact: ContentFact
  /** By `now`: until then it is used without asking. */
  readonly freshUntil: number
  /** The bytes of a digest never change, so an old answer is better than none. */
  readonly isLasting: boolean
}

/** Milliseconds for one question; the API server waits for the review. */
const questionLimit = 1000
/** Milliseconds for which facts of a digest are used: an index that lists it may be pushed meanwhile. */
const digestFor = 10 * 60_000
/** Milliseconds for which facts of a tag are used. */
const tagFor = 1000
const mostQuestions = 32
/** Digests cached in total, about 100 bytes each; at most twice as many. */
const rememberedDigests = 30_000

const digest = z.string().refine((text): text is Digest => isDigest(text), 'is no digest')
const content = z.object({
  digests: z.array(digest),
  contains: z.array(digest),
  platforms: z.array(z.string()),
  listedBy: z.array(z.array(z.string())),
  size: z.number(),
  isEvidence: z.boolean(),
})
const answer = z.object({
  fact: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('known'), content }),
    z.object({ kind: z.literal('absent') }),
    z.object({
      kind: z.literal('failed'),
      reason: z.enum(['FACT_PENDING', 'FACT_TIMEOUT', 'FACT_UPSTREAM']),
    }),
  ]),
  isSettled: z.boolean(),
})

/** Facts of the registry's content, as the registry tells them. */
export class RegistryContent implements ContentSource {
  readonly #parts: RegistryContentParts
  readonly #told = new RecentCache<string, Told>(rememberedDigests, ({ fact }) => weightOf(fact))
  readonly #running = new Map<string, Promise<ContentFact>>()
  readonly #turns = pLimit(mostQuestions)

  constructor(parts: RegistryContentParts) {
    this.#parts = parts
  }

  async of(reference: ImageReference, signal: AbortSignal): Promise<ContentFact> {
    if (reference.host !== ownRegistry) return failed('FACT_UPSTREAM')
    const name = reference.digest ?? reference.tag ?? 'latest'
    const key = `${reference.path}@${name}`
    const told = this.#told.get(key)
    if (told !== undefined && this.#parts.now() < told.freshUntil) return told.fact
    let running = this.#running.get(key)
    if (running === undefined) {
      const question = { repository: reference.path, reference: name }
      running = this.#look(key, question).finally(() => this.#running.delete(key))
      this.#running.set(key, running)
    }
    const fact = await inTime(running, signal, () => failed('FACT_TIMEOUT'))
    return fact.kind === 'failed' && told?.isLasting === true ? told.fact : fact
  }

  /** The limit includes the wait for a turn. */
  #look(
    key: string,
    question: { readonly repository: string; readonly reference: string },
  ): Promise<ContentFact> {
    const limit = AbortSignal.timeout(questionLimit)
    const late = (): ContentFact => failed('FACT_TIMEOUT')
    const asked = this.#turns(() => (limit.aborted ? late() : this.#ask(key, question, limit)))
    return inTime(asked, limit, late)
  }

  async #ask(
    key: string,
    question: { readonly repository: string; readonly reference: string },
    limit: AbortSignal,
  ): Promise<ContentFact> {
    try {
      const { fact, isSettled } = answer.parse(await this.#parts.ask(question, limit))
      const isLasting = isSettled && fact.kind === 'known' && isDigest(question.reference)
      if (fact.kind !== 'failed')
        this.#told.set(key, {
          fact,
          isLasting,
          freshUntil: this.#parts.now() + (isLasting ? digestFor : tagFor),
        })
      return fact
    } catch {
      return failed(limit.aborted ? 'FACT_TIMEOUT' : 'FACT_UPSTREAM')
    }
  }
}

function failed(reason: Extract<ContentFact, { kind: 'failed' }>['reason']): ContentFact {
  return { kind: 'failed', reason }
}

/** The weight of an entry, in digests; 8 stands for the rest of it. */
function weightOf(fact: ContentFact): number {
  return 8 + (fact.kind === 'known' ? fact.content.contains.length + fact.content.digests.length : 0)
}
