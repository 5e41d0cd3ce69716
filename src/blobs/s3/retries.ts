import { isPassing } from './s3-fault.ts'

/** Milliseconds. */
const firstDelay = 50
const longestDelay = 3000
const patience = 20_000
const mostAttempts = 7
const capacity = 500
const cost = 5

/**
 * Repeats requests that failed for a passing reason, after a delay of random length that grows. All requests of a thread
 * share a budget: while S3 refuses most of them, few are repeated, so that retries do not keep it down.
 */
export class Retries {
  readonly #random: () => number
  #tokens = capacity

  constructor(random: () => number = Math.random) {
    this.#random = random
  }

  /** Runs `attempt` until it succeeds, fails for good, or the retries are used up: then it throws the last error. */
  async run<T>(attempt: (number: number) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const deadline = performance.now() + patience
    for (let number = 0; ; number++) {
      try {
        const result = await attempt(number)
        this.#tokens = Math.min(capacity, this.#tokens + 1)
        return result
      } catch (error) {
        if (!isPassing(error) || !this.mayRepeat(number, deadline)) throw error
        await this.delay(number, signal)
      }
    }
  }

  /** Takes one repetition from the budget; false: none is left. */
  mayRepeat(number: number, deadline = Infinity): boolean {
    if (number + 1 >= mostAttempts || performance.now() > deadline || this.#tokens < cost) return false
    this.#tokens -= cost
    return true
  }

  /** Rejects when the signal fires. */
  async delay(number: number, signal?: AbortSignal): Promise<void> {
    const most = Math.min(longestDelay, firstDelay * 2 ** number)
    await new Promise<void>((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer)
        reject(signal?.reason as Error)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', end)
        resolve()
      }, most * this.#random())
      if (signal?.aborted === true) end()
      else signal?.addEventListener('abort', end, { once: true })
    })
  }
}
