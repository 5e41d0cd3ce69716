/** Since when things stand as they do. */
export class Standing {
  readonly #now: () => number
  readonly #since = new Map<string, number>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** These stand so now; all others do not any more. */
  keep(keys: readonly string[]): void {
    const kept = new Set(keys)
    for (const key of this.#since.keys()) if (!kept.has(key)) this.#since.delete(key)
    for (const key of kept) if (!this.#since.has(key)) this.#since.set(key, this.#now())
  }

  /** Milliseconds; 0 for one that does not. */
  of(key: string): number {
    return this.#now() - (this.#since.get(key) ?? this.#now())
  }
}
