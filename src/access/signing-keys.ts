import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import type { Instant } from '../instant.ts'
import type { SigningKey, SigningKeys } from './authority.ts'
import { SingleFlight } from './single-flight.ts'

/** Where the keys are kept for all workers and replicas: metadata's AccessStore. */
export interface SigningKeyStore {
  /** Newest first. */
  signingKeys(): Promise<readonly SigningKey[]>
  rotateSigningKey(
    key: SigningKey,
    limits: { readonly unlessNewerThan: Instant; readonly forgetBefore: Instant },
  ): Promise<void>
}

const hour = 3_600_000
const rotateAfter = 24 * hour
/** No token outlives its key's making by more. */
export const longestRefresh = 30 * 24 * hour
/** How long answers may be kept, and a little longer: then everybody knows a key before anything is signed with it. */
const keepFor = 5 * 60_000
const publishFor = 6 * 60_000

/** Keys of our own tokens: one a day, each kept until the last token that it may have signed has ended. */
export class SigningKeyRing {
  readonly #store: SigningKeyStore
  readonly #now: () => Instant
  readonly #flight = new SingleFlight<SigningKeys>()
  #last: SigningKeys | undefined

  constructor(parts: { readonly store: SigningKeyStore; readonly now: () => Instant }) {
    this.#store = parts.store
    this.#now = parts.now
  }

  /** Rejects only where there is no key and none can be kept. */
  keys(): Promise<SigningKeys> {
    return this.#flight.run('keys', () => this.#read())
  }

  async #read(): Promise<SigningKeys> {
    const now = this.#now()
    let all: readonly SigningKey[]
    try {
      all = await this.#store.signingKeys()
      if (all[0] === undefined || all[0].createdAt <= now - rotateAfter) {
        await this.#store.rotateSigningKey(makeSigningKey(now), {
          unlessNewerThan: now - rotateAfter,
          forgetBefore: now - rotateAfter - longestRefresh - hour,
        })
        all = await this.#store.signingKeys()
      }
    } catch (error) {
      // A full disk keeps nobody from signing with the key of yesterday.
      if (this.#last === undefined) throw error
      return { ...this.#last, until: now + 60_000 }
    }
    const newest = all[0]
    if (newest === undefined) throw new Error('there is no signing key')
    const current = all.find(({ createdAt }) => createdAt <= now - publishFor) ?? all.at(-1) ?? newest
    const until = Math.min(now + keepFor, Math.max(newest.createdAt + rotateAfter, now + 1000))
    this.#last = { current, all, until }
    return this.#last
  }
}

export function makeSigningKey(now: Instant): SigningKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    id: thumbprint(privateKey),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    createdAt: now,
  }
}

/** Of the public key: RFC 7638. */
function thumbprint(key: KeyObject): string {
  const { crv, kty, x, y } = createPublicKey(key).export({ format: 'jwk' })
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')
}

/** Throws where the PEM is no key of P-256. */
export function openSigningKey(key: SigningKey): {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
} {
  const privateKey = createPrivateKey(key.privateKey)
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new Error('a signing key is not on P-256')
  return { privateKey, publicKey: createPublicKey(privateKey) }
}
