import { isDigest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import { decide, type RequestedImage } from '../policy/decide.ts'
import type { ContentFact } from '../policy/image-content.ts'
import { ownImage } from '../policy/image-reference.ts'
import type { SeenContent } from './seen-content.ts'
import { makeDecision, type Decision } from './decision.ts'
import { PolicyCounters } from './policy-counters.ts'
import type { PoliciesOfNow, PolicyFeed } from './policy-feed.ts'

/** What is asked of the registry: the same content under one name or several. */
export interface Question {
  readonly point: 'push' | 'pull'
  readonly repository: RepositoryName
  /** Each is judged. */
  readonly references: readonly Reference[]
  readonly isBlob?: boolean
  /** Called when a policy has to know the content. */
  look(): SeenContent | Promise<SeenContent>
  /** Called when a platform is missing: indexes may have it. */
  listedBy?(): Promise<readonly (readonly string[])[]>
}

export interface Made {
  readonly decision: Decision
  /** False: it may be another one soon, with nothing changed that anybody is told of. */
  readonly isSettled: boolean
}

/** Asks the policies of now, and looks for what they need to know. */
export class Judge {
  readonly counters = new PolicyCounters()
  readonly #feed: Pick<PolicyFeed, 'current'>
  readonly #now: () => number
  #latest = 0

  constructor(feed: Pick<PolicyFeed, 'current'>, now: () => number) {
    this.#feed = feed
    this.#now = now
  }

  /** Milliseconds since 1970; never less than before, so that a clock that is set back revives no exception. */
  get now(): number {
    this.#latest = Math.max(this.#latest, this.#now())
    return this.#latest
  }

  /** Throws OciError UNAVAILABLE where there are none to ask. */
  get policies(): PoliciesOfNow {
    if (this.#feed.current !== undefined) return this.#feed.current
    throw new OciError('UNAVAILABLE', 'the policies have not been read yet', {
      detail: 'nothing is given out or taken before: try again in a moment',
    })
  }

  /** By the policies that are in force when it is made, at once where no content has to be looked at. */
  decide(question: Question): Made | Promise<Made> {
    const { set } = this.policies
    // What another registry's name stands for is here: it can be looked at, and the judge would not ask for it.
    const isCopy = question.references.some((reference) => {
      const own = ownImage(question.repository, reference, set.settings)
      return own.kind === 'reference' && own.proxied
    })
    if (!isCopy) {
      const decision = this.#ask(question, undefined)
      if (decision !== undefined) return { decision, isSettled: true }
    }
    const seen = question.look()
    return seen instanceof Promise ? this.#lookOn(question, seen) : this.#seen(question, seen)
  }

  /** Of a push to the repository, whatever it is. Undefined: that depends on what it is. */
  byName(repository: RepositoryName): Decision | undefined {
    const { set, generation } = this.policies
    const own = ownImage(repository, undefined, set.settings)
    const image = { place: '', name: repository, own, isBlob: true, fact: undefined }
    const point = 'push'
    const answer = decide({ point, namespace: undefined, images: [image] }, set, this.now)
    if (answer.kind === 'needs') return undefined
    return makeDecision(answer, { generation, set, point, counters: this.counters })
  }

  #seen(question: Question, { fact, isSettled }: SeenContent): Made {
    const decision = this.#ask(question, fact)
    if (decision === undefined) throw new Error('the judge asks for what it was told')
    return { decision, isSettled }
  }

  async #lookOn(question: Question, looking: Promise<SeenContent>): Promise<Made> {
    const seen = await looking
    const made = this.#seen(question, seen)
    if (seen.fact.kind !== 'known' || question.listedBy === undefined || !lacksPlatform(made.decision))
      return made
    const { content } = seen.fact
    const fact: ContentFact = { kind: 'known', content: { ...content, listedBy: await question.listedBy() } }
    return this.#seen(question, { fact, isSettled: false })
  }

  /** Undefined: the content has to be looked at. */
  #ask(question: Question, fact: ContentFact | undefined): Decision | undefined {
    const { repository, references, point, isBlob = false } = question
    const { set, generation } = this.policies
    const images = references.map((reference): RequestedImage => {
      const own = ownImage(repository, reference, set.settings)
      const name = isDigest(reference) ? `${repository}@${reference}` : `${repository}:${reference}`
      return { place: '', name, own, isBlob, fact }
    })
    const answer = decide({ point, namespace: undefined, images }, set, this.now)
    if (answer.kind === 'needs') return undefined
    return makeDecision(answer, { generation, set, point, counters: this.counters })
  }
}

function lacksPlatform({ judgement }: Decision): boolean {
  return judgement?.findings.some(({ reason }) => reason === 'PLATFORM') === true
}
