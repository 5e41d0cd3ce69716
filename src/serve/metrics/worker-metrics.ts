import { AggregatorRegistry, type Registry } from 'prom-client'
import { durationBuckets, type RequestCount } from '../../http/request-counters.ts'
import type { WorkerCounts } from '../threads/thread-protocol.ts'

interface Sample {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  readonly metricName?: string
}

/** The requests of all workers, summed, and the lag of each. */
export function workerMetrics(workers: readonly WorkerCounts[]): Registry {
  return AggregatorRegistry.aggregate(
    workers.map((worker) => [...requestMetrics(worker.requests), lagMetric(worker)]),
  )
}

/** The form of `Registry.getMetricsAsJSON`: workers count without prom-client, which is too slow for requests. */
function requestMetrics(requests: readonly RequestCount[]): readonly object[] {
  const total = (each: RequestCount): Sample => ({ labels: labelsOf(each), value: each.count })
  return [
    {
      name: 'trow_http_requests_total',
      help: 'Requests answered',
      type: 'counter',
      aggregator: 'sum',
      values: requests.map(total),
    },
    {
      name: 'trow_http_request_duration_seconds',
      help: 'Time from the head of a request to the end of its reply',
      type: 'histogram',
      aggregator: 'sum',
      values: requests.flatMap(durations),
    },
    {
      name: 'trow_http_body_bytes_total',
      help: 'Bytes of bodies',
      type: 'counter',
      aggregator: 'sum',
      values: requests.flatMap(({ route, method, bytesIn, bytesOut }) => [
        { labels: { route, method, direction: 'in' }, value: bytesIn },
        { labels: { route, method, direction: 'out' }, value: bytesOut },
      ]),
    },
  ]
}

function lagMetric({ worker, lag }: WorkerCounts): object {
  const sampleOf = (quantile: string, value: number): Sample => ({
    labels: { worker: String(worker), quantile },
    value,
  })
  return {
    name: 'trow_event_loop_lag_seconds',
    help: 'Event-loop lag of a worker since the last scrape; quantile 1 is the longest',
    // The type to which the label `quantile` belongs.
    type: 'summary',
    aggregator: 'sum',
    values: [sampleOf('0.99', lag.p99), sampleOf('1', lag.max)],
  }
}

function labelsOf({ route, method, status }: RequestCount): Sample['labels'] {
  return { route, method, code: String(status) }
}

function durations(each: RequestCount): readonly Sample[] {
  const name = 'trow_http_request_duration_seconds'
  const labels = labelsOf(each)
  let sum = 0
  const buckets = Array.from(each.buckets, (count, index) => {
    sum += count
    return {
      metricName: `${name}_bucket`,
      labels: { ...labels, le: durationBuckets[index] ?? '+Inf' },
      value: sum,
    }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: each.seconds },
    { metricName: `${name}_count`, labels, value: each.count },
  ]
}
