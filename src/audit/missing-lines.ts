/** First and last number, both inclusive. */
export type LineRange = readonly [from: number, to: number]

/** Numbers of lines that were skipped, as ranges, because a gap in a log may have any size. */
export class MissingLines {
  /** Ascending, not empty, not overlapping. */
  readonly #ranges: LineRange[] = []

  get ranges(): readonly LineRange[] {
    return this.#ranges
  }

  /** Adds a range; none if `to` is below `from`. `from` must be above all numbers added before. */
  add(from: number, to: number): void {
    if (from <= to) this.#ranges.push([from, to])
  }

  /** Removes a number whose line was found later; false if the number was not missing. */
  delete(number: number): boolean {
    const at = this.#indexOf(number)
    const range = this.#ranges[at]
    if (range === undefined || number < range[0]) return false
    const [from, to] = range
    const rest: LineRange[] = [
      [from, number - 1],
      [number + 1, to],
    ]
    this.#ranges.splice(at, 1, ...rest.filter(([first, last]) => first <= last))
    return true
  }

  /** The index of the first range that ends at or after this number. */
  #indexOf(number: number): number {
    let [low, high] = [0, this.#ranges.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#ranges[middle]?.[1] ?? 0) < number) low = middle + 1
      else high = middle
    }
    return low
  }
}
