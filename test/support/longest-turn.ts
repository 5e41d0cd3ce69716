/**
 * The most processor time (ms) that this thread has spent between two turns of its event loop. Other programs on the machine make turns
 * longer, and not this.
 */
export class LongestTurn {
  #last = spent()
  #longest = 0
  #next: NodeJS.Immediate

  constructor() {
    const look = (): void => {
      const now = spent()
      this.#longest = Math.max(this.#longest, now - this.#last)
      this.#last = now
      this.#next = setImmediate(look)
    }
    this.#next = setImmediate(look)
  }

  stop(): number {
    clearImmediate(this.#next)
    return this.#longest
  }
}

function spent(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
