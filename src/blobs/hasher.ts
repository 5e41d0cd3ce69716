import { createHash } from 'node:crypto'
import { createSHA256, createSHA512, type IHasher } from 'hash-wasm'
import { makeDigest, type Digest, type DigestAlgorithm } from '../oci/digest.ts'
import type { ContentHasher } from './blob-store.ts'

/** The fast one (about 1 GB/s on one core); its state cannot be saved. */
export function startHasher(algorithm: DigestAlgorithm): ContentHasher {
  const hash = createHash(algorithm)
  return {
    algorithm,
    update: (chunk) => void hash.update(chunk),
    digest: () => makeDigest(algorithm, hash.copy().digest('hex')),
    save: () => undefined,
  }
}

/** A hasher whose state can be saved, for uploads that come in several requests. Only its start is asynchronous. */
export async function startResumableHasher(algorithm: DigestAlgorithm): Promise<ContentHasher> {
  const engine = await engineOf(algorithm)
  return new ResumableHasher(algorithm, engine, engine.initial)
}

/** Goes on where `save` left off. Throws when `state` was not made by `save` of the same algorithm. */
export async function resumeHasher(algorithm: DigestAlgorithm, state: Uint8Array): Promise<ContentHasher> {
  const engine = await engineOf(algorithm)
  const hasher = new ResumableHasher(algorithm, engine, Uint8Array.from(state))
  engine.take(hasher)
  return hasher
}

class ResumableHasher implements ContentHasher {
  readonly algorithm: DigestAlgorithm
  /** Where it stands, unless the engine is its own now. */
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
 * The one instance of an algorithm in a thread, whose hashers take turns in it: an instance of its own would cost each request
 * of an upload a quarter of a millisecond and memory that only the collector of garbage gives back; a change of hands costs
 * a copy of some hundred bytes.
 */
class HashEngine {
  readonly initial: Uint8Array
  readonly #hash: IHasher
  #holder: ResumableHasher | undefined

  constructor(hash: IHasher) {
    this.#hash = hash
    this.initial = hash.init().save()
  }

  /** Throws where the state of `hasher` is none of this algorithm. */
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
