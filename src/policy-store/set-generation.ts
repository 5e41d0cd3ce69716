interface NumberedSet {
  readonly generation: number
  readonly identity: string
}

/** Numbers the sets of policies of one process: a set that differs from the one before gets a higher number. */
export class SetGeneration {
  #now: number
  #identity: string | undefined

  /**
   * `kept`: the set that was last stored. `published`: the number that was published last in this process; 0: none was.
   */
  constructor(kept: NumberedSet | undefined, published = 0) {
    this.#now = Math.max(kept?.generation ?? 0, published)
    // What had a higher number could not be kept on disk: it may have been another set.
    this.#identity = this.#now === kept?.generation ? kept.identity : undefined
  }

  get now(): number {
    return this.#now
  }

  /** The number of a set, which becomes the set of now. */
  of(identity: string): number {
    if (identity !== this.#identity) this.#now++
    this.#identity = identity
    return this.#now
  }

  /** Gives the set of now a higher number. */
  renew(): number {
    return ++this.#now
  }
}
