/** Milliseconds over which the rate is measured. */
const window = 10_000
/** Milliseconds of work before a rate says anything. */
const warmUp = 1000

/** How fast work goes, from its last seconds. `now` is in milliseconds and never goes back. */
export class Pace {
  readonly #samples: { readonly at: number; readonly done: number }[] = []

  note(done: number, now: number): void {
    const last = this.#samples.at(-1)
    // Ten samples a second are enough, and the last one always counts.
    if (last !== undefined && this.#samples.length > 1 && now - last.at < 100) this.#samples.pop()
    this.#samples.push({ at: now, done })
    while (this.#samples.length > 2 && now - (this.#samples[1]?.at ?? now) > window) this.#samples.shift()
  }

  /** Bytes a second; undefined until there is enough to tell. */
  rate(now: number): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (first === undefined || last === undefined || now - first.at < warmUp) return undefined
    return ((last.done - first.done) / (now - first.at)) * 1000
  }
}
