import { Buckets } from './buckets.ts'
import type { Attempt } from './failures.ts'
import { tokensOfCluster, type LoginSources } from './login-sources.ts'
import { networkOf } from './network.ts'

/** Tokens from one network. */
const sourceLimit = { burst: 20, rate: 0.5 }
/** Tokens from all networks together. Networks that have succeeded lately share a limit of their own. */
const tokenLimit = { burst: 100, rate: 10 }
const repositoryLimit = { burst: 100, rate: 10 }

/**
 * Limits the questions to the API server about callers that only it can verify: tokens of unknown form,
 * issuer or key, and the repositories that callers without a credential name. No client can then make the
 * registry flood the API server.
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

  /** A token that only the API server can verify. Only wrong tokens stay counted. */
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
    return { kind: 'go', succeeded, failed: () => undefined, undone }
  }

  /**
   * Whether the API server may be asked about one more repository for a caller without a credential; counts
   * the question.
   */
  mayAskForRepository(): boolean {
    if (this.#repositories.wait('') > 0) return false
    this.#repositories.take('')
    return true
  }
}
