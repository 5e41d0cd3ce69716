import { Buckets } from './buckets.ts'
import type { Attempt } from './failures.ts'
import { tokensOfCluster, type LoginSources } from './login-sources.ts'
import { networkOf } from './network.ts'

/** Of one address. */
const sourceLimit = { burst: 20, rate: 0.5 }
/** Of all addresses together; those that have succeeded lately have one of their own. */
const tokenLimit = { burst: 100, rate: 10 }
const repositoryLimit = { burst: 100, rate: 10 }

/**
 * What callers whom nobody can judge without the API server may ask of it: tokens of unknown form, issuer or key, and
 * the repositories that a caller without a credential names. So nobody can have the registry flood it.
 */
export class Strangers {
  readonly #known: Pick<LoginSources, 'knows' | 'saw'>
  readonly #sources: Buckets
  readonly #tokens: Buckets
  readonly #repositories: Buckets

  constructor(parts: { readonly now: () => number; readonly known: Pick<LoginSources, 'knows' | 'saw'> }) {
    const { now, known } = parts
    this.#known = known
    this.#sources = new Buckets({ limit: sourceLimit, capacity: 10_000, now })
    this.#tokens = new Buckets({ limit: tokenLimit, capacity: 2, now })
    this.#repositories = new Buckets({ limit: repositoryLimit, capacity: 1, now })
  }

  /** A token that only the API server can judge. Only those count that turn out wrong. */
  beginToken(address: string): Attempt {
    const source = networkOf(address)
    const known = this.#known.knows(tokensOfCluster, source) ? 'known' : 'unknown'
    const milliseconds = Math.max(this.#sources.wait(source), this.#tokens.wait(known))
    if (milliseconds > 0) return { kind: 'wait', milliseconds }
    this.#sources.take(source)
    this.#tokens.take(known)
    const undone = (): void => {
      this.#sources.giveBack(source)
      this.#tokens.giveBack(known)
    }
    const succeeded = (): void => {
      this.#known.saw(tokensOfCluster, source)
      undone()
    }
    return { kind: 'go', succeeded, undone }
  }

  /** Whether the API server may be asked what a caller without a credential may do in one more repository. */
  mayAskForRepository(): boolean {
    if (this.#repositories.wait('') > 0) return false
    this.#repositories.take('')
    return true
  }
}
