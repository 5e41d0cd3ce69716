import { neverBack } from '../clocks.ts'
import { isDigest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import { decide, isTaken, passesByName, type Answer, type RequestedImage } from '../policy/decide.ts'
import type { ContentFact, ImageContent } from '../policy/image-content.ts'
import { ownImage } from '../policy/image-reference.ts'
import { RecentCache } from '../recent-cache.ts'
import type { SeenContent } from './seen-content.ts'
import { isPlain, makeDecision, type PolicyDecision } from './decision.ts'
import { PolicyCounters } from './policy-counters.ts'
import type { PoliciesOfNow, PolicyFeed } from './policy-feed.ts'

/** Names that are kept, about 100 bytes each; at most twice as many. */
const openRepositories = 4096

/** A request to the registry, for the same content under one or several names. */
export interface Question {
  readonly point: 'push' | 'pull'
  readonly repository: RepositoryName
  /** Each of them is judged. */
  readonly references: readonly Reference[]
  readonly isBlob?: boolean
  /** Facts about the content that need no look-up; without platforms, unless it has none. */
  readonly known?: SeenContent | undefined
  /** Called when a policy needs facts about the content that are not known. */
  look(wanted: FactsWanted): SeenContent | Promise<SeenContent>
  /** Called when a platform is missing: an index that lists the image may have it. */
  readonly listedBy?: (() => Promise<readonly (readonly string[])[]>) | undefined
}

export interface FactsWanted {
  /** Whether platforms are among them. */
  readonly platforms: boolean
}

export interface Made {
  readonly decision: PolicyDecision
  /** False: the decision may soon be another one without any notice of a change. */
  readonly isSettled: boolean
}

/** Asks the policies in force, and looks up the facts that they need. */
export class Judge {
  readonly counters = new PolicyCounters()
  readonly #feed: Pick<PolicyFeed, 'current'>
  readonly #now: () => number
  /** The decision about each request in which no policy has a finding: most requests share it. */
  readonly #plain = new Map<Question['point'], PolicyDecision>()
  /** The repositories whose name no policy refuses: two of the five requests of a small push begin an upload. */
  readonly #open = new RecentCache<RepositoryName, true>(openRepositories)
  /** The generation of the policies that `#open` is of. */
  #openSince = -1

  constructor(feed: Pick<PolicyFeed, 'current'>, now: () => number) {
    this.#feed = feed
    this.#now = neverBack(now)
  }

  /**
   * Milliseconds since 1970. It never decreases, so that a clock set back does not make an expired exception
   * valid again.
   */
  get now(): number {
    return this.#now()
  }

  /** Throws OciError UNAVAILABLE while no policies have been read. */
  get policies(): PoliciesOfNow {
    if (this.#feed.current !== undefined) return this.#feed.current
    throw new OciError('UNAVAILABLE', 'the policies have not been read yet', {
      detail: 'nothing is given out or taken before: try again in a moment',
    })
  }

  /** Decides by the policies in force at the call. Synchronous if no content has to be looked up. */
  decide(question: Question): Made | Promise<Made> {
    const { known } = question
    if (known !== undefined) return this.#seen(question, known)
    const asked = this.#ask(question, undefined)
    return 'verdicts' in asked ? { decision: asked, isSettled: true } : this.#look(question, asked)
  }

  /**
   * Decides about a push to the repository by its name alone. Undefined: no policy refuses the name, or the decision depends on the
   * content.
   */
  byName(repository: RepositoryName): PolicyDecision | undefined {
    const { policies } = this
    const { set, generation } = policies
    if (generation !== this.#openSince) {
      this.#open.clear()
      this.#openSince = generation
    }
    if (this.#open.get(repository) !== undefined) return undefined
    const own = ownImage(repository, undefined, set.settings)
    const image = { place: '', name: repository, own, isBlob: true, fact: undefined }
    const point = 'push'
    const request = { point, namespace: undefined, images: [image] } as const
    if (passesByName(request, set)) {
      this.#open.set(repository, true)
      return undefined
    }
    const answer = decide(request, set, this.now)
    return answer.kind === 'needs' ? undefined : this.#decision(answer, point, policies)
  }

  #look(question: Question, wanted: FactsWanted): Made | Promise<Made> {
    const seen = question.look(wanted)
    return seen instanceof Promise ? this.#lookOn(question, seen) : this.#seen(question, seen)
  }

  #seen(question: Question, { fact, isSettled }: SeenContent): Made | Promise<Made> {
    const asked = this.#ask(question, fact)
    const { listedBy } = question
    if ('verdicts' in asked) {
      const isListed = fact.kind === 'known' && listedBy !== undefined && lacksPlatform(asked)
      return isListed ? this.#listed(question, fact.content, listedBy) : { decision: asked, isSettled }
    }
    const isLacking = fact.kind === 'known' && fact.content.platforms === undefined
    if (!isLacking) throw new Error('the judge asks for what it was told')
    return this.#look(question, { platforms: true })
  }

  async #lookOn(question: Question, looking: Promise<SeenContent>): Promise<Made> {
    return this.#seen(question, await looking)
  }

  /** Asks again with the platforms of the indexes that list the image. */
  async #listed(
    question: Question,
    content: ImageContent,
    listedBy: NonNullable<Question['listedBy']>,
  ): Promise<Made> {
    const fact = { kind: 'known', content: { ...content, listedBy: await listedBy() } } as const
    return this.#seen({ ...question, listedBy: undefined }, { fact, isSettled: false })
  }

  #ask(question: Question, fact: ContentFact | undefined): PolicyDecision | FactsWanted {
    const { repository, references, point, isBlob = false } = question
    const { policies } = this
    const { set } = policies
    const images = references.map((reference): RequestedImage => {
      const own = ownImage(repository, reference, set.settings)
      const name = isDigest(reference) ? `${repository}@${reference}` : `${repository}:${reference}`
      return { place: '', name, own, isBlob, fact }
    })
    // Content of another registry is stored here and can be looked up, but `decide` would not ask for facts
    // about it.
    if (fact === undefined && images.some(isCopy)) return { platforms: false }
    const request = { point, namespace: undefined, images }
    if (isTaken(request, set)) return this.#plainDecision(point, policies)
    const answer = decide(request, set, this.now)
    return answer.kind === 'needs' ? answer : this.#decision(answer, point, policies)
  }

  #decision(
    answer: Exclude<Answer, { kind: 'needs' }>,
    point: Question['point'],
    policies: PoliciesOfNow,
  ): PolicyDecision {
    if (isPlain(answer.verdicts)) return this.#plainDecision(point, policies)
    return makeDecision(answer, { ...policies, point, counters: this.counters })
  }

  #plainDecision(point: Question['point'], policies: PoliciesOfNow): PolicyDecision {
    const known = this.#plain.get(point)
    if (known?.generation === policies.generation) return known
    const parts = { ...policies, point, counters: this.counters }
    const plain = makeDecision({ kind: 'allow', verdicts: [], until: undefined }, parts)
    this.#plain.set(point, plain)
    return plain
  }
}

function isCopy({ own }: RequestedImage): boolean {
  return own?.kind === 'reference' && own.proxied
}

function lacksPlatform({ judgement }: PolicyDecision): boolean {
  return judgement?.findings.some(({ reason }) => reason === 'PLATFORM') === true
}
