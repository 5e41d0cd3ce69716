/** Wakes the loop that waits. Rung while no loop waits, it ends the next wait at once. */
export class Alarm {
  #rung = false
  #waiting: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#waiting?.()
  }

  /**
   * For one caller at a time. Resolves when it is rung, after `limit` milliseconds, or when the signal fires.
   */
  async wait(limit: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) await pause(limit, signal, (wake) => (this.#waiting = wake))
    this.#waiting = undefined
    this.#rung = false
  }
}

/**
 * Resolves after `limit` milliseconds, when the signal fires, or when the function that `offer` received is
 * called.
 */
export async function pause(
  limit: number,
  signal: AbortSignal,
  offer: (wake: () => void) => void,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const wake = (): void => resolve()
  const timer = setTimeout(wake, limit)
  signal.addEventListener('abort', wake, { once: true })
  offer(wake)
  await promise
  signal.removeEventListener('abort', wake)
  clearTimeout(timer)
}
