interface Holder {
  readonly owner: object
  readonly letGo: () => void
}

interface Waiter extends Holder {
  readonly granted: () => void
}

/**
 * Who writes to which upload: one holder at a time. A newcomer asks the holder to let go and waits, so that a
 * half-dead connection does not keep a client from resuming.
 */
export class UploadClaims {
  readonly #holders = new Map<string, Holder>()
  readonly #waiters = new Map<string, Waiter[]>()

  has(id: string): boolean {
    return this.#holders.has(id)
  }

  /** `owner` is the thread that asks: `releaseAll` frees what it held. */
  claim(id: string, owner: object, letGo: () => void): Promise<void> {
    const holder = this.#holders.get(id)
    if (holder === undefined) {
      this.#holders.set(id, { owner, letGo })
      return Promise.resolve()
    }
    return new Promise((granted) => {
      const waiting = this.#waiters.get(id) ?? []
      waiting.push({ owner, letGo, granted })
      this.#waiters.set(id, waiting)
      holder.letGo()
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
    // After the grant has reached it.
    if (waiting.length > 0) setImmediate(next.letGo)
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
