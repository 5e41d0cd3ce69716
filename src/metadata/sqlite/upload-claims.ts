interface ClaimHolder {
  readonly owner: object
  readonly onContested: () => void
}

interface Waiter extends ClaimHolder {
  readonly granted: () => void
}

/**
 * The claims on uploads: one holder for each upload. A new request asks the holder to release and waits, so
 * that a half-dead connection does not keep a client from resuming.
 */
export class UploadClaims {
  readonly #holders = new Map<string, ClaimHolder>()
  readonly #waiters = new Map<string, Waiter[]>()

  has(id: string): boolean {
    return this.#holders.has(id)
  }

  /** `owner` identifies the requesting thread: `releaseAll` releases its claims. */
  claim(id: string, owner: object, onContested: () => void): Promise<void> {
    const holder = this.#holders.get(id)
    if (holder === undefined) {
      this.#holders.set(id, { owner, onContested })
      return Promise.resolve()
    }
    return new Promise((granted) => {
      const waiting = this.#waiters.get(id) ?? []
      waiting.push({ owner, onContested, granted })
      this.#waiters.set(id, waiting)
      holder.onContested()
    })
  }

  release(id: string, owner: object): void {
    if (this.#holders.get(id)?.owner !== owner) return
    this.#holders.delete(id)
    const waiting = this.#waiters.get(id) ?? []
    const next = waiting.shift()
    if (waiting.length === 0) this.#waiters.delete(id)
    if (next === undefined) return
    this.#holders.set(id, next)
    next.granted()
    // Runs after the holder has learned of the grant.
    if (waiting.length > 0) setImmediate(next.onContested)
  }

  releaseAll(owner: object): void {
    for (const [id, waiting] of this.#waiters) {
      const others = waiting.filter((waiter) => waiter.owner !== owner)
      if (others.length === 0) this.#waiters.delete(id)
      else this.#waiters.set(id, others)
    }
    for (const [id, holder] of this.#holders) if (holder.owner === owner) this.release(id, owner)
  }
}
