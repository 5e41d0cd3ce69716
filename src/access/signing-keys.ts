import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import type { Instant } from '../instant.ts'
import type { SigningKey, SigningKeys } from './authority.ts'
import { SharedRead } from '../shared-read.ts'

/** Stores the keys for all workers and replicas: metadata's AccessStore. */
export interface SigningKeyStore {
  /** Newest first. */
  signingKeys(): Promise<readonly SigningKey[]>
  /**
   * Adds the key unless there is one younger than `rotateAfter`, and deletes those that were followed by another one
   * longer than `forgetAfter` ago, by the clock of the store where it has one.
   */
  rotateSigningKey(
    key: SigningKey,
    ages: { readonly rotateAfter: number; readonly forgetAfter: number },
  ): Promise<void>
}

const hour = 3_600_000
const rotateAfter = 24 * hour
/** Milliseconds: the longest life of a token. */
export const longestRefresh = 30 * 24 * hour
/**
 * Milliseconds that workers may cache the keys. A key signs only after `publishFor`, when every cache has it.
 */
const keepFor = 5 * 60_000
const publishFor = 6 * 60_000
/**
 * A key signs until the next one is known everywhere, and its last token may live for `longestRefresh`. The day more is for
 * processes that cannot read the next key for a while.
 */
const forgetAfter = longestRefresh + 24 * hour

/**
 * The keys of trow's own tokens: a new one each day, each kept until the last token that it may have signed
 * has expired. All processes of a registry have the same ones.
 */
export class SigningKeyRing {
  readonly #store: SigningKeyStore
  readonly #now: () => Instant
  readonly #shared = new SharedRead(() => this.#read())
  #last: SigningKeys | undefined

  constructor(parts: { readonly store: SigningKeyStore; readonly now: () => Instant }) {
    this.#store = parts.store
    this.#now = parts.now
  }

  /** What is stored now. Rejects only if there is no key and none can be stored. */
  keys(): Promise<SigningKeys> {
    return this.#shared.get()
  }

  async #read(): Promise<SigningKeys> {
    const now = this.#now()
    let all: readonly SigningKey[]
    try {
      all = await this.#store.signingKeys()
      if (all[0] === undefined || all[0].createdAt <= now - rotateAfter) {
        await this.#store.rotateSigningKey(makeSigningKey(now), { rotateAfter, forgetAfter })
        all = await this.#store.signingKeys()
      }
    } catch (error) {
      // If rotation fails because the disk is full, the last keys are kept.
      if (this.#last === undefined) throw error
      return { ...this.#last, until: now + 60_000, isOld: true }
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

/** The thumbprint of the public key (RFC 7638). */
function thumbprint(key: KeyObject): string {
  const { crv, kty, x, y } = createPublicKey(key).export({ format: 'jwk' })
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')
}

/** Throws if the PEM is no key on P-256. */
export function openSigningKey(key: SigningKey): {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
} {
  const privateKey = createPrivateKey(key.privateKey)
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new Error('a signing key is not on P-256')
  return { privateKey, publicKey: createPublicKey(privateKey) }
}
