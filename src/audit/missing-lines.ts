/** First and last number. */
export type LineRange = readonly [from: number, to: number]

/** Numbers of lines that were passed over: as ranges, since a log may begin again after any number. */
export class MissingLines {
  /** In their order, none empty, none overlapping. */
  readonly #ranges: LineRange[] = []

  get ranges(): readonly LineRange[] {
    return this.#ranges
  }

  /** None where `to` is before `from`; `from` is behind all that was added before. */
  add(from: number, to: number): void {
    if (from <= to) this.#ranges.push([from, to])
  }

  /** It came after all; false where it was not missing. */
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

  /** Of the first range that ends at this number or after it. */
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
