import { ClusterFault } from './cluster-fault.ts'

/** A counting semaphore; a caller waits for a free turn until its signal aborts, which p-limit does not offer. */
export class Turns {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(free: number) {
    this.#free = free
  }

  /** Returns the function that releases the turn. Rejects with ClusterFault if the signal aborts first. */
  async take(signal: AbortSignal, server: string): Promise<() => void> {
    if (this.#free === 0) {
      await new Promise<void>((resolve, reject) => {
        const start = (): void => {
          signal.removeEventListener('abort', expire)
          resolve()
        }
        const expire = (): void => {
          this.#waiting.delete(start)
          reject(new ClusterFault('unreachable', `no answer from ${server}: too many wait for one`))
        }
        signal.addEventListener('abort', expire, { once: true })
        this.#waiting.add(start)
      })
    } else this.#free--
    return () => {
      const [next] = this.#waiting
      if (next === undefined) this.#free++
      else {
        this.#waiting.delete(next)
        next()
      }
    }
  }
}
