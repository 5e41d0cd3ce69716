/** Number, total time and outcome of one kind of storage operation, as plain data for main. */
export interface OperationCount {
  readonly operation: string
  readonly outcome: 'ok' | 'error'
  count: number
  seconds: number
}

/** Wraps the named asynchronous methods so that each call is counted and timed. */
export class OperationCounters {
  readonly #counts = new Map<string, OperationCount>()

  watch<Target extends object>(
    name: string,
    target: Target,
    methods: readonly (keyof Target & string)[],
  ): Target {
    for (const method of methods) {
      const original = target[method] as (...values: unknown[]) => Promise<unknown>
      const operation = `${name}.${method}`
      const watched = async (...values: unknown[]): Promise<unknown> => {
        const started = performance.now()
        try {
          const result = await original.apply(target, values)
          this.#record(operation, 'ok', started)
          return result
        } catch (error) {
          this.#record(operation, 'error', started)
          throw error
        }
      }
      Object.defineProperty(target, method, { value: watched })
    }
    return target
  }

  snapshot(): OperationCount[] {
    return [...this.#counts.values()]
  }

  #record(operation: string, outcome: 'ok' | 'error', started: number): void {
    const key = `${operation} ${outcome}`
    let count = this.#counts.get(key)
    if (count === undefined) this.#counts.set(key, (count = { operation, outcome, count: 0, seconds: 0 }))
    count.count++
    count.seconds += (performance.now() - started) / 1000
  }
}
