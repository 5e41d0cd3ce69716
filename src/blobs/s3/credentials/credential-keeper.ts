import type { Dispatcher } from 'undici'
import type { CredentialSource, S3Credentials } from './credentials.ts'
import { SharedFile } from './shared-file.ts'
import { assumeRole } from './web-identity.ts'

/** Milliseconds before their end at which credentials are replaced; requests meanwhile still use the old ones. */
const renewBefore = 5 * 60_000
/** Milliseconds between two looks at a file, and before a service that failed is asked again. */
const pause = 5000

/** Keeps the credentials of one thread valid. */
export class CredentialKeeper {
  readonly #load: () => Promise<S3Credentials>
  readonly #looksAgain: boolean
  readonly #now: () => number
  #current: { readonly credentials: S3Credentials; readonly since: number } | undefined
  #loading: Promise<S3Credentials> | undefined
  #failedAt = -Infinity

  constructor(source: CredentialSource, agent: Dispatcher, now: () => number = Date.now) {
    this.#load = loaderOf(source, agent)
    this.#looksAgain = source.kind === 'file'
    this.#now = now
  }

  /** Rejects if there are no credentials, or only expired ones. */
  async current(): Promise<S3Credentials> {
    const kept = this.#current
    const now = this.#now()
    if (kept === undefined) return this.#renew()
    const left = (kept.credentials.expiresAt ?? Infinity) - now
    if (left <= 0) return this.#renew()
    if (left > renewBefore && !(this.#looksAgain && now - kept.since > pause)) return kept.credentials
    if (now - this.#failedAt > pause) this.#renew().catch(() => (this.#failedAt = now))
    return kept.credentials
  }

  /** Called after a refusal of `refused`. Resolves to whether there are others now. */
  async replace(refused: S3Credentials): Promise<boolean> {
    const renewed = await this.#renew()
    return renewed.accessKeyId !== refused.accessKeyId || renewed.sessionToken !== refused.sessionToken
  }

  #renew(): Promise<S3Credentials> {
    this.#loading ??= this.#load()
      .then((credentials) => {
        this.#current = { credentials, since: this.#now() }
        return credentials
      })
      .finally(() => (this.#loading = undefined))
    return this.#loading
  }
}

function loaderOf(source: CredentialSource, agent: Dispatcher): () => Promise<S3Credentials> {
  switch (source.kind) {
    case 'keys':
      return () => Promise.resolve(source)
    case 'file': {
      const file = new SharedFile(source.path, source.profile)
      return () => file.load()
    }
    case 'web-identity':
      return () => assumeRole(source, agent)
    case 'container':
    case 'instance':
      // Loaded only here: it costs memory in every thread.
      return async () => (await import('./sdk-providers.ts')).askService(source)
  }
}
