import { readFileSync } from 'node:fs'

/** The resident memory of a process over time, in MiB. */
export class MemoryCurve {
  readonly #samples: number[] = []

  sample(pid: number | undefined): void {
    if (pid === undefined) return
    try {
      const [, kilobytes = ''] =
        /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
      if (kilobytes !== '') this.#samples.push(Number(kilobytes) / 1024)
    } catch {
      // It has just ended.
    }
  }

  /** Medians of the middle third and of the last third, and the most. */
  get summary(): { readonly middle: number; readonly last: number; readonly most: number } {
    const third = Math.floor(this.#samples.length / 3)
    return {
      middle: median(this.#samples.slice(third, 2 * third)),
      last: median(this.#samples.slice(2 * third)),
      most: Math.max(0, ...this.#samples),
    }
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}
