import { createHash } from 'node:crypto'
import { createSHA256, createSHA512, type IHasher } from 'hash-wasm'
import { makeDigest, type Digest, type DigestAlgorithm } from '../oci/digest.ts'
import type { ContentHasher } from './blob-store.ts'

/** A native hasher, about 1 GB/s on one core. Its state cannot be saved. */
export function startHasher(algorithm: DigestAlgorithm): ContentHasher {
  const hash = createHash(algorithm)
  return {
    algorithm,
    update: (chunk) => void hash.update(chunk),
    digest: () => makeDigest(algorithm, hash.copy().digest('hex')),
    save: () => undefined,
  }
}

/** A hasher whose state can be saved, for uploads of several requests. Only its creation is asynchronous. */
export async function startResumableHasher(algorithm: DigestAlgorithm): Promise<ContentHasher> {
  const engine = await engineOf(algorithm)
  return new ResumableHasher(algorithm, engine, engine.initial)
}

/**
 * Continues from a state that `save` returned. Throws when `state` is not from `save` of the same algorithm.
 */
export async function resumeHasher(algorithm: DigestAlgorithm, state: Uint8Array): Promise<ContentHasher> {
  const engine = await engineOf(algorithm)
  const hasher = new ResumableHasher(algorithm, engine, Uint8Array.from(state))
  engine.take(hasher)
  return hasher
}

class ResumableHasher implements ContentHasher {
  readonly algorithm: DigestAlgorithm
  /** The state of the hash, unless the engine currently holds it. */
  state: Uint8Array
  readonly #engine: HashEngine

  constructor(algorithm: DigestAlgorithm, engine: HashEngine, state: Uint8Array) {
    this.algorithm = algorithm
    this.state = state
    this.#engine = engine
  }

  update(chunk: Uint8Array): void {
    this.#engine.take(this).update(chunk)
  }

  digest(): Digest {
    const hash = this.#engine.take(this)
    const state = hash.save()
    const digest = makeDigest(this.algorithm, hash.digest('hex'))
    hash.load(state)
    return digest
  }

  save(): Uint8Array {
    return this.#engine.take(this).save()
  }
}

/**
 * The only instance of an algorithm in a thread; its hashers take turns. An instance per hasher would cost
 * each request of an upload a quarter of a millisecond, and memory that is only freed by garbage collection.
 * Switching hashers costs a copy of a few hundred bytes.
 */
class HashEngine {
  readonly initial: Uint8Array
  readonly #hash: IHasher
  #holder: ResumableHasher | undefined

  constructor(hash: IHasher) {
    this.#hash = hash
    this.initial = hash.init().save()
  }

  /** Throws when the state of `hasher` is not a state of this algorithm. */
  take(hasher: ResumableHasher): IHasher {
    if (this.#holder === hasher) return this.#hash
    if (this.#holder !== undefined) this.#holder.state = this.#hash.save()
    this.#holder = undefined
    this.#hash.load(hasher.state)
    this.#holder = hasher
    return this.#hash
  }
}

const engines = new Map<DigestAlgorithm, Promise<HashEngine>>()

function engineOf(algorithm: DigestAlgorithm): Promise<HashEngine> {
  let engine = engines.get(algorithm)
  if (engine === undefined) {
    const made = algorithm === 'sha256' ? createSHA256() : createSHA512()
    engine = made.then((hash) => new HashEngine(hash))
    engines.set(algorithm, engine)
  }
  return engine
}
