/** A histogram of Prometheus, all of its series added up. */
export interface Histogram {
  readonly count: number
  /** Seconds. */
  readonly sum: number
  /** How many took no longer than so many seconds. */
  readonly buckets: ReadonlyMap<number, number>
}

/** `label`: what the series must have, `path="/pods"`. */
export function histogramIn(texts: readonly string[], name: string, label: string): Histogram {
  let [count, sum] = [0, 0]
  const buckets = new Map<number, number>()
  for (const line of texts.flatMap((text) => text.split('\n'))) {
    if (!line.startsWith(name) || !line.includes(label)) continue
    const [, part, labels = '', value] = /^\w+_(bucket|sum|count)\{(.*)\} (\S+)$/.exec(line) ?? []
    if (part === 'count') count += Number(value)
    else if (part === 'sum') sum += Number(value)
    else if (part === 'bucket') {
      const [, bound = ''] = /(?:^|,)le="([^"]+)"/.exec(labels) ?? []
      const limit = bound === '+Inf' ? Infinity : Number(bound)
      buckets.set(limit, (buckets.get(limit) ?? 0) + Number(value))
    }
  }
  return { count, sum, buckets }
}

/** What came between the two. */
export function between(before: Histogram, after: Histogram): Histogram {
  return {
    count: after.count - before.count,
    sum: after.sum - before.sum,
    buckets: new Map(
      [...after.buckets].map(([limit, value]) => [limit, value - (before.buckets.get(limit) ?? 0)]),
    ),
  }
}

/** `2400 reviews, 1.2 ms on average, half within 2.5 ms, 99% within 10 ms`. */
export function printHistogram({ count, sum, buckets }: Histogram): string {
  const within = (share: number): string => {
    const limits = [...buckets].sort(([one], [other]) => one - other)
    const [limit = Infinity] = limits.find(([, value]) => value >= count * share) ?? []
    return `${limit * 1000} ms`
  }
  const mean = ((sum / count) * 1000).toFixed(1)
  return `${count} reviews, ${mean} ms on average, half within ${within(0.5)}, 99% within ${within(0.99)}`
}
