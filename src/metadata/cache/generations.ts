import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Reference } from '../../oci/tag.ts'

const slotCount = 1 << 20
/** After the slots. */
const epochPlace = slotCount

/**
 * A shared table of counters, one for each hashed key, which keeps the caches of all threads coherent without
 * messages. The writer makes the slots of a change odd before COMMIT, and gives them a new even value after
 * it. A reader loads the slot before it looks: a cached entry is valid only under the same, even value, and a
 * value that was read is cached under the slot's value from before the read. Reads are therefore
 * linearizable.
 */
export class Generations {
  readonly buffer: SharedArrayBuffer
  readonly #slots: Int32Array
  /** Of this thread; see `enter`. */
  #epoch = 0

  constructor(buffer = new SharedArrayBuffer((slotCount + 1) * Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer
    this.#slots = new Int32Array(buffer)
  }

  load(slot: number): number {
    return Atomics.load(this.#slots, slot)
  }

  /** Writer only, before COMMIT. */
  invalidate(slots: Iterable<number>): void {
    for (const slot of slots) Atomics.or(this.#slots, slot, 1)
  }

  /** Writer only, after COMMIT or ROLLBACK. */
  renew(slots: Iterable<number>): void {
    for (const slot of slots) Atomics.add(this.#slots, slot, 1)
  }

  /** For changes that are committed elsewhere: the slots get a new even value at once. */
  advance(slots: Iterable<number>): void {
    for (const slot of slots) Atomics.add(this.#slots, slot, 2)
  }

  /**
   * This thread reads from a database of another epoch, a number that names it, from now on: everything that is
   * cached is invalid. The threads of a process may be at different servers for a while, after a failover: what they share
   * is of the epoch that was entered last.
   */
  enter(epoch: number): void {
    this.#epoch = epoch
    // Before the slots change: who loads a new value of one, and then finds the epoch to be its own, has read from it.
    Atomics.store(this.#slots, epochPlace, epoch)
    this.advanceAll()
  }

  /** Whether this thread may read and fill what the threads share. Ask it after a slot was loaded. */
  get isShared(): boolean {
    return Atomics.load(this.#slots, epochPlace) === this.#epoch
  }

  /** Makes everything that is cached invalid. */
  advanceAll(): void {
    for (let slot = 0; slot < slotCount; slot++) Atomics.add(this.#slots, slot, 2)
  }
}

export function isSettled(generation: number): boolean {
  return (generation & 1) === 0
}

/** The key of the manifest that a tag or a digest names in a repository. */
export function manifestKey(repository: RepositoryName, reference: Reference): string {
  return `${repository}:${reference}`
}

/** The key of a blob's link in a repository. */
export function linkKey(repository: RepositoryName, digest: Digest): string {
  return `${repository}@${digest}`
}

/** The key of a repository's list of tags. */
export function tagListKey(repository: RepositoryName): string {
  return `${repository}:`
}

/** FNV-1a over the UTF-16 units: 32 bits. */
export function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  }
  return hash
}

/** The slot of a key's hash, folded to the size of the table. */
export function slotOf(hash: number): number {
  return (hash ^ (hash >>> 16)) & (slotCount - 1)
}
