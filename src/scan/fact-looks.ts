import pLimit from 'p-limit'
import type { ContentFact } from '../policy/image-content.ts'
import { printReference, type ImageReference } from '../policy/image-reference.ts'
import { RecentCache } from '../recent-cache.ts'
import type { RunningDigest } from './image-id.ts'

/** Looks at the registry's own content. */
export interface RunningContent {
  /** Never rejects: what cannot be had is a fact that says so. `signal` ends it. */
  of(reference: ImageReference, signal: AbortSignal): Promise<ContentFact>
}

interface Wanting {
  readonly reference: ImageReference | undefined
  readonly running: RunningDigest | undefined
}

const concurrency = 8
/** Look-ups that fail one after the other until the registry counts as away for the rest. */
const mostFailures = 16
/** Milliseconds for one look-up. */
const patience = 2000
/** Digests kept, about 100 bytes each; at most twice as many. */
const mostKept = 30_000
/** Milliseconds after which kept content is looked at again. */
const keptFor = 3_600_000

interface Kept {
  readonly fact: Extract<ContentFact, { readonly kind: 'known' }>
  readonly until: number
}

const failed: ContentFact = { kind: 'failed', reason: 'FACT_UPSTREAM' }

/** Looks content up for a scan, a few at a time, and keeps what it finds by digest for an hour. */
export class FactLooks {
  readonly #content: RunningContent
  readonly #now: () => number
  readonly #kept = new RecentCache<string, Kept>(mostKept, ({ fact }) => 8 + fact.content.contains.length)

  /** `now`: milliseconds since 1970. */
  constructor(content: RunningContent, now: () => number) {
    this.#content = content
    this.#now = now
  }

  /** The facts of each, in their order. With the registry away they say so, after some attempts. Rejects when the signal fires. */
  async all(wanting: readonly Wanting[], signal: AbortSignal): Promise<readonly ContentFact[]> {
    let failures = 0
    return pLimit(concurrency).map(wanting, async (one) => {
      signal.throwIfAborted()
      if (failures >= mostFailures) return failed
      const fact = await this.#of(one, signal)
      failures = fact.kind === 'failed' ? failures + 1 : 0
      return fact
    })
  }

  async #of({ reference, running }: Wanting, signal: AbortSignal): Promise<ContentFact> {
    if (reference === undefined) return { kind: 'absent' }
    if (running === undefined) return this.#look(reference, signal)
    if (!running.isConfig) return this.#look(byDigest(reference, running), signal)
    // No request names content by its config: what the name points to now may have it.
    const fact = await this.#look(reference, signal)
    if (fact.kind !== 'known') return fact
    const { digests, contains } = fact.content
    return [...digests, ...contains].includes(running.digest) ? fact : { kind: 'absent' }
  }

  async #look(reference: ImageReference, signal: AbortSignal): Promise<ContentFact> {
    const key = reference.digest === undefined ? undefined : printReference(reference)
    const kept = key === undefined ? undefined : this.#kept.get(key)
    if (kept !== undefined && kept.until > this.#now()) return kept.fact
    const fact = await this.#content.of(reference, AbortSignal.any([signal, AbortSignal.timeout(patience)]))
    if (key !== undefined && fact.kind === 'known')
      this.#kept.set(key, { fact, until: this.#now() + keptFor })
    return fact
  }
}

function byDigest(reference: ImageReference, { digest }: RunningDigest): ImageReference {
  return { ...reference, tag: undefined, digest, shadowTag: reference.tag }
}
