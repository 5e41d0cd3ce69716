import { ClusterFault } from './cluster-fault.ts'

/** So many at once; the others wait for their turn, or until their time is up. */
export class Turns {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(free: number) {
    this.#free = free
  }

  /** What it returns gives the turn back. Rejects with ClusterFault when the signal comes first. */
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
