import { canaryImage, canaryRepository } from '../oci/canary-image.ts'
import type { ManifestRecord } from '../metadata/records.ts'
import { isDigest, type Digest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import type {
  RequestedMount,
  BlobPush,
  ContentGuard,
  ManifestPush,
  PolicyStamp,
} from '../registry/content-guard.ts'
import { RecentCache } from '../recent-cache.ts'
import type { Requester } from '../registry/requester.ts'
import { ContentFacts, knownBlob, type FactSources } from './content-facts.ts'
import { denial, refusalReason, type PolicyDecision } from './decision.ts'
import { Judge, type Question } from './judge.ts'
import type { PolicyCount } from './policy-counters.ts'
import type { PolicyFeed } from './policy-feed.ts'
import { pushedImage } from './pushed-image.ts'

export interface PolicyGuardParts extends FactSources {
  readonly feed: PolicyFeed
  /** Milliseconds since 1970. */
  readonly now: () => number
}

const canary = canaryImage()
const canaryDigests: ReadonlySet<Digest> = new Set([
  canary.digest,
  ...canary.blobs.map(({ digest }) => digest),
])

interface CachedDecision {
  /** What the name stood for. */
  readonly digest: Digest
  readonly decision: PolicyDecision
  /** A time of `performance.now()`, which does not follow changes of the wall clock. */
  readonly staleAt: number
}

/** Cached decisions about pulls, about 300 bytes each; at most twice as many. */
const rememberedDecisions = 8192
/** Milliseconds for which a decision is reused that may change without notice. */
const shortly = 1000
/** Milliseconds that a push waits for policies that are already in force elsewhere. */
const feedPatience = 5000

/** Lets the policies judge each pull and push of the registry. */
export class PolicyGuard implements ContentGuard {
  readonly #feed: PolicyFeed
  readonly #facts: ContentFacts
  readonly #judge: Judge
  readonly #pulls = new RecentCache<string, CachedDecision>(rememberedDecisions)
  /** The generation of the policies that made the cached decisions. */
  #generation = -1

  constructor({ feed, now, ...sources }: PolicyGuardParts) {
    this.#feed = feed
    this.#facts = new ContentFacts(sources)
    this.#judge = new Judge(feed, now)
  }

  pullManifest(
    requester: Requester,
    repository: RepositoryName,
    reference: Reference,
    manifest: ManifestRecord,
  ): void | Promise<void> {
    if (isCanary(repository, manifest.digest)) return undefined
    const { digest } = manifest
    // A key is hashed for each pull: the digest that a tag stands for is compared instead.
    const key = `${repository}:${reference}`
    const known = this.#knownPull(key, digest)
    if (known !== undefined) return this.#answer(requester, known, { repository, reference })
    return this.#pull(
      requester,
      { key, digest },
      {
        point: 'pull',
        repository,
        references: [reference],
        look: (wanted) => this.#facts.ofManifest(repository, manifest, wanted),
        // Children of an index are fetched by digest; a tag names an image of its own.
        ...(isDigest(reference) && { listedBy: () => this.#facts.listedBy(repository, digest) }),
      },
    )
  }

  pullBlob(requester: Requester, repository: RepositoryName, digest: Digest): void | Promise<void> {
    if (isCanary(repository, digest)) return undefined
    const key = `${repository}@${digest}`
    const known = this.#knownPull(key, digest)
    if (known !== undefined) return this.#answer(requester, known, { repository, reference: digest })
    return this.#pull(requester, { key, digest }, this.#blobPull(repository, digest))
  }

  openUpload(requester: Requester, repository: RepositoryName): void | Promise<void> {
    // What is pushed is judged when its digest is known.
    if (repository === canaryRepository) return undefined
    const decision = this.#judge.byName(repository)
    if (decision === undefined || decision.isAllowed) return undefined
    return this.#answer(requester, decision, { repository, reference: undefined })
  }

  pushBlob({ requester, repository, digest, sha256 }: BlobPush): PolicyStamp | Promise<PolicyStamp> {
    return this.#push(requester, digest, {
      point: 'push',
      repository,
      references: [digest],
      isBlob: true,
      known: knownBlob(digest, sha256),
      look: () => this.#facts.ofBlob([repository], digest),
    })
  }

  pushManifest({
    requester,
    repository,
    tags,
    byDigest,
    digest,
    manifest: parsed,
    body,
  }: ManifestPush): PolicyStamp | Promise<PolicyStamp> {
    const manifest = { digest, mediaType: parsed.mediaType, body, parsed }
    return this.#push(requester, digest, {
      point: 'push',
      repository,
      references: byDigest ? [digest, ...tags] : tags,
      known: pushedImage(manifest),
      look: (wanted) => this.#facts.ofManifest(repository, manifest, wanted),
    })
  }

  async mountBlob(
    mount: RequestedMount,
  ): Promise<PolicyStamp & { readonly from: readonly RepositoryName[] }> {
    const { requester, to, digest, from } = mount
    const stamp = await this.#push(requester, digest, {
      point: 'push',
      repository: to,
      references: [digest],
      isBlob: true,
      known: knownBlob(digest),
      look: () => this.#facts.ofBlob(from, digest),
    })
    const open: RepositoryName[] = []
    for (const source of from) {
      const { decision } = await this.#judge.decide(this.#blobPull(source, digest))
      count(decision)
      if (decision.isAllowed) open.push(source)
    }
    return { ...stamp, from: open }
  }

  async newerThan({ generation }: PolicyStamp): Promise<void> {
    await this.#feed.newerThan(generation, feedPatience)
    if (this.#judge.policies.generation > generation) return
    throw new OciError('UNAVAILABLE', 'the policies have changed, and are not known here yet', {
      detail: 'nothing was stored: try again in a moment',
    })
  }

  /** How often each policy has made each decision. */
  counts(): PolicyCount[] {
    return this.#judge.counters.snapshot()
  }

  #blobPull(repository: RepositoryName, digest: Digest): Question {
    return {
      point: 'pull',
      repository,
      references: [digest],
      isBlob: true,
      known: knownBlob(digest),
      look: () => this.#facts.ofBlob([repository], digest),
    }
  }

  #knownPull(key: string, digest: Digest): PolicyDecision | undefined {
    const { generation } = this.#judge.policies
    if (generation !== this.#generation) {
      this.#pulls.clear()
      this.#generation = generation
    }
    const known = this.#pulls.get(key)
    if (known === undefined || known.digest !== digest) return undefined
    const { decision, staleAt } = known
    if (decision.until !== Infinity && this.#judge.now >= decision.until) return undefined
    if (staleAt !== Infinity && performance.now() >= staleAt) return undefined
    return decision
  }

  async #pull(
    requester: Requester,
    { key, digest }: { readonly key: string; readonly digest: Digest },
    question: Question,
  ): Promise<void> {
    const { decision, isSettled } = await this.#judge.decide(question)
    if (decision.generation === this.#generation) {
      const staleAt = isSettled ? Infinity : performance.now() + shortly
      this.#pulls.set(key, { digest, decision, staleAt })
    }
    const { repository, references } = question
    await this.#answer(requester, decision, { repository, reference: references[0] })
  }

  #push(requester: Requester, digest: Digest, question: Question): PolicyStamp | Promise<PolicyStamp> {
    if (isCanary(question.repository, digest)) return { ...stampOf(this.#judge.policies), isRecorded: false }
    const made = this.#judge.decide(question)
    if (made instanceof Promise)
      return made.then(({ decision }) => this.#stamp(requester, question, decision))
    return this.#stamp(requester, question, made.decision)
  }

  #stamp(
    requester: Requester,
    { repository, references }: Question,
    decision: PolicyDecision,
  ): PolicyStamp | Promise<PolicyStamp> {
    const stamp = { ...stampOf(decision), isRecorded: decision.judgement !== undefined }
    const answered = this.#answer(requester, decision, { repository, reference: references[0] })
    return answered === undefined ? stamp : answered.then(() => stamp)
  }

  /** Reports the judgement to the requester. Rejects with the refusal if the request is denied. */
  #answer(requester: Requester, decision: PolicyDecision, asked: RefusedContent): void | Promise<void> {
    count(decision)
    const { isAllowed, judgement } = decision
    if (judgement === undefined) return undefined
    if (!isAllowed) return refuse(requester, decision, asked)
    requester.judged(judgement)
    return undefined
  }
}

/**
 * Returns whether it is the agents' canary image or a part of it: no policy is to make nodes look broken. Other content of its
 * repository is judged.
 */
function isCanary(repository: RepositoryName, digest: Digest): boolean {
  return repository === canaryRepository && canaryDigests.has(digest)
}

function stampOf({
  generation,
  registryGeneration,
}: Omit<PolicyStamp, 'isRecorded'>): Omit<PolicyStamp, 'isRecorded'> {
  return { generation, registryGeneration }
}

interface RefusedContent {
  readonly repository: RepositoryName
  readonly reference: Reference | undefined
}

async function refuse(requester: Requester, decision: PolicyDecision, asked: RefusedContent): Promise<never> {
  const { judgement, verdicts } = decision
  const id = await requester.refused({
    findings: judgement?.findings ?? [],
    warnings: judgement?.warnings ?? [],
    ...asked,
    reason: refusalReason(verdicts),
  })
  throw denial(decision, id)
}

function count({ counts }: PolicyDecision): void {
  for (const each of counts) each.count++
}
