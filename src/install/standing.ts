/** Records since when each state has lasted. */
export class Standing {
  readonly #now: () => number
  readonly #since = new Map<string, number>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** These states last now; all others have ended. */
  keep(keys: readonly string[]): void {
    const kept = new Set(keys)
    for (const key of this.#since.keys()) if (!kept.has(key)) this.#since.delete(key)
    for (const key of kept) if (!this.#since.has(key)) this.#since.set(key, this.#now())
  }

  /** Returns milliseconds; 0 for a state that does not last. */
  of(key: string): number {
    return this.#now() - (this.#since.get(key) ?? this.#now())
  }
}
