/** Upper bounds of the duration histogram, in seconds. */
export const durationBuckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60,
]

/**
 * The counts of one worker for one route, method and status: plain data, so that it can be sent to the main
 * thread.
 */
export interface RequestCount {
  readonly route: string
  readonly method: string
  readonly status: number
  count: number
  seconds: number
  bytesIn: number
  bytesOut: number
  /** Not cumulative, one more than there are bounds. */
  readonly buckets: Float64Array
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Counts requests at the cost of two map look-ups. Labels are bounded: routes, known methods, statuses. */
export class RequestCounters {
  /** By route, method and status. */
  readonly #byRoute = new Map<string, Map<string, Map<number, RequestCount>>>()
  inFlight = 0

  record(route: string, method: string, status: number, sample: RequestSample): void {
    const known = methods.has(method) ? method : 'other'
    let byMethod = this.#byRoute.get(route)
    if (byMethod === undefined) this.#byRoute.set(route, (byMethod = new Map()))
    let byStatus = byMethod.get(known)
    if (byStatus === undefined) byMethod.set(known, (byStatus = new Map()))
    let count = byStatus.get(status)
    if (count === undefined) {
      const buckets = new Float64Array(durationBuckets.length + 1)
      count = { route, method: known, status, count: 0, seconds: 0, bytesIn: 0, bytesOut: 0, buckets }
      byStatus.set(status, count)
    }
    const seconds = sample.milliseconds / 1000
    let bucket = 0
    while (bucket < durationBuckets.length && seconds > (durationBuckets[bucket] as number)) bucket++
    ;(count.buckets[bucket] as number)++
    count.count++
    count.seconds += seconds
    count.bytesIn += sample.bytesIn
    count.bytesOut += sample.bytesOut
  }

  snapshot(): RequestCount[] {
    return [...this.#byRoute.values()].flatMap((byMethod) =>
      [...byMethod.values()].flatMap((byStatus) => [...byStatus.values()]),
    )
  }
}

export interface RequestSample {
  readonly milliseconds: number
  readonly bytesIn: number
  readonly bytesOut: number
}
