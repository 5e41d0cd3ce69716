import type { ManifestRecord } from '../metadata/records.ts'
import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import type {
  BlobMount,
  BlobPush,
  ContentGuard,
  ManifestPush,
  PolicyStamp,
} from '../registry/content-guard.ts'
import { RecentCache } from '../recent-cache.ts'
import type { Requester } from '../registry/requester.ts'
import { ContentFacts, type FactSources } from './content-facts.ts'
import { denial, refusalReason, type Decision } from './decision.ts'
import { Judge, type Question } from './judge.ts'
import type { PolicyCount } from './policy-counters.ts'
import type { PolicyFeed } from './policy-feed.ts'

export interface PolicyGuardParts extends FactSources {
  readonly feed: PolicyFeed
  /** Milliseconds since 1970. */
  readonly now: () => number
}

interface Remembered {
  readonly decision: Decision
  /** Of a clock that nobody sets. */
  readonly staleAt: number
}

/** Decisions about pulls, some 300 bytes each; twice as many at most. */
const rememberedDecisions = 8192
/** Milliseconds that a decision is used for which may change with nobody told. */
const shortly = 1000
/** Milliseconds that a push waits for policies that are in force already. */
const feedPatience = 5000

/** Has policies judge what the registry gives out and takes. */
export class PolicyGuard implements ContentGuard {
  readonly #feed: PolicyFeed
  readonly #facts: ContentFacts
  readonly #judge: Judge
  readonly #pulls = new RecentCache<string, Remembered>(rememberedDecisions)
  /** Of the policies that those were made by. */
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
    const key = `${repository}:${reference}@${manifest.digest}`
    const known = this.#knownPull(key)
    if (known !== undefined) return this.#answer(requester, known, { repository, reference })
    return this.#pull(requester, key, {
      point: 'pull',
      repository,
      references: [reference],
      look: () => this.#facts.ofManifest(repository, manifest),
      listedBy: () => this.#facts.listedBy(repository, manifest.digest),
    })
  }

  pullBlob(requester: Requester, repository: RepositoryName, digest: Digest): void | Promise<void> {
    const key = `${repository}@${digest}`
    const known = this.#knownPull(key)
    if (known !== undefined) return this.#answer(requester, known, { repository, reference: digest })
    return this.#pull(requester, key, this.#blobPull(repository, digest))
  }

  openUpload(requester: Requester, repository: RepositoryName): void | Promise<void> {
    const decision = this.#judge.byName(repository)
    if (decision === undefined || decision.isAllowed) return undefined
    return this.#answer(requester, decision, { repository, reference: undefined })
  }

  async pushBlob({ requester, repository, digest, sha256 }: BlobPush): Promise<PolicyStamp> {
    return this.#push(requester, {
      point: 'push',
      repository,
      references: [digest],
      isBlob: true,
      look: () => this.#facts.ofBlob([repository], digest, sha256),
    })
  }

  pushManifest({
    requester,
    repository,
    tags,
    byDigest,
    manifest,
    ...kept
  }: ManifestPush): Promise<PolicyStamp> {
    return this.#push(requester, {
      point: 'push',
      repository,
      references: byDigest ? [kept.digest, ...tags] : tags,
      look: () => this.#facts.ofManifest(repository, { ...kept, mediaType: manifest.mediaType }, manifest),
    })
  }

  async mountBlob(mount: BlobMount): Promise<PolicyStamp & { readonly from: readonly RepositoryName[] }> {
    const { requester, to, digest, from } = mount
    const stamp = await this.#push(requester, {
      point: 'push',
      repository: to,
      references: [digest],
      isBlob: true,
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

  /** How often policies have decided what. */
  counts(): PolicyCount[] {
    return this.#judge.counters.snapshot()
  }

  #blobPull(repository: RepositoryName, digest: Digest): Question {
    return {
      point: 'pull',
      repository,
      references: [digest],
      isBlob: true,
      look: () => this.#facts.ofBlob([repository], digest),
    }
  }

  #knownPull(key: string): Decision | undefined {
    const { generation } = this.#judge.policies
    if (generation !== this.#generation) {
      this.#pulls.clear()
      this.#generation = generation
    }
    const known = this.#pulls.get(key)
    if (known === undefined) return undefined
    const { decision, staleAt } = known
    if (decision.until !== Infinity && this.#judge.now >= decision.until) return undefined
    if (staleAt !== Infinity && performance.now() >= staleAt) return undefined
    return decision
  }

  async #pull(requester: Requester, key: string, question: Question): Promise<void> {
    const { decision, isSettled } = await this.#judge.decide(question)
    if (decision.generation === this.#generation) {
      const staleAt = isSettled ? Infinity : performance.now() + shortly
      this.#pulls.set(key, { decision, staleAt })
    }
    const { repository, references } = question
    await this.#answer(requester, decision, { repository, reference: references[0] })
  }

  async #push(requester: Requester, question: Question): Promise<PolicyStamp> {
    const { decision } = await this.#judge.decide(question)
    const { repository, references } = question
    await this.#answer(requester, decision, { repository, reference: references[0] })
    return { generation: decision.generation, isNoted: decision.judgement !== undefined }
  }

  /** Tells the requester; rejects with what they are told where it is refused. */
  #answer(requester: Requester, decision: Decision, asked: Asked): void | Promise<void> {
    count(decision)
    const { isAllowed, judgement } = decision
    if (judgement === undefined) return undefined
    if (!isAllowed) return refuse(requester, decision, asked)
    requester.judged(judgement)
    return undefined
  }
}

interface Asked {
  readonly repository: RepositoryName
  readonly reference: Reference | undefined
}

async function refuse(requester: Requester, decision: Decision, asked: Asked): Promise<never> {
  const { judgement, verdicts } = decision
  const id = await requester.refused({
    findings: judgement?.findings ?? [],
    warnings: judgement?.warnings ?? [],
    ...asked,
    reason: refusalReason(verdicts),
  })
  throw denial(decision, id)
}

function count({ counts }: Decision): void {
  for (const each of counts) each.count++
}
