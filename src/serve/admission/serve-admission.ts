import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { AdmissionJudge } from '../../admission/admission-judge.ts'
import { AdmissionSurface } from '../../admission/admission-surface.ts'
import { PolicyReviews } from '../../admission/policy-review.ts'
import { RecordQueue } from '../../admission/record-queue.ts'
import { RegistryContent } from '../../admission/registry-content.ts'
import { ReviewReader } from '../../admission/review-reader.ts'
import { ReviewRoom } from '../../admission/review-room.ts'
import { PolicyCounters } from '../../enforcement/policy-counters.ts'
import { TrustedProxies } from '../../http/client-address.ts'
import { HttpListener } from '../../http/http-listener.ts'
import type { TlsPair } from '../../http/tls-context.ts'
import type { Log } from '../../log.ts'
import { hashOf } from '../../policy-store/object-hash.ts'
import type { ResolvedSettings } from '../../settings/settings.ts'
import { noSetting } from '../../settings/settings-variables.ts'
import type { HostProcess } from '../host-process.ts'
import { listening } from '../listening.ts'
import { createLogger, logFormatOf } from '../logger.ts'
import { MetricsSurface } from '../metrics/metrics-surface.ts'
import { exceptionLimits, judgeSettings } from '../policy/policy-settings.ts'
import { WorkerPolicies } from '../threads/worker-policies.ts'
import { AdmissionCluster } from './admission-cluster.ts'
import { AdmissionMetrics } from './admission-metrics.ts'
import type { AdmissionOptions } from './admission-options.ts'
import { RegistryClient } from './registry-client.ts'
import { openTenants } from './tenants.ts'

/** Bytes of reviews at once: the largest that an API server sends, and some more. */
const roomBytes = 48 * 1024 * 1024
/** Milliseconds: the API server ends idle connections after 90 s, and is to be the first. */
const idleTimeout = 120_000
/** Milliseconds after a stop signal in which reviews still come: the cluster hears of it a little later. */
const lingering = 5000
/** Milliseconds for the reviews that run then, and for the records that wait. */
const lastReviews = 5000
const lastRecords = 3000

/** Runs `trow admission`. Resolves with the exit code after a stop signal. */
export async function serveAdmission(
  { settings, ignored }: ResolvedSettings,
  options: AdmissionOptions,
  surroundings: HostProcess,
): Promise<number> {
  const logFormat = logFormatOf(settings['log-format'], surroundings)
  const log = createLogger({ format: logFormat, level: settings['log-level'] })
  for (const variable of ignored) log.warn(noSetting(variable))
  const stopped = Promise.withResolvers<'SIGINT' | 'SIGTERM'>()
  surroundings.onStop((signal) => stopped.resolve(signal))
  await using cleanup = new AsyncDisposableStack()

  const policies = new WorkerPolicies()
  const registry = {
    url: options.registry,
    authority: options.registryAuthority,
    token: options.registryToken,
  }
  const client = new RegistryClient({ ...registry, now: () => performance.now() })
  cleanup.defer(() => client.close())
  const records = new RecordQueue({
    send: (events, signal) => client.report(events, signal),
    now: Date.now,
    newId: randomUUID,
    log,
  })
  const tenants = await openTenants(settings, options.tenants, log)
  if (tenants !== undefined) cleanup.defer(() => tenants.close())
  const counters = new PolicyCounters()
  const metrics = new AdmissionMetrics(options.version)
  const room = new ReviewRoom(roomBytes)
  const reader = new ReviewReader()
  cleanup.defer(() => reader.close())
  const standing = { isStopping: false }
  const firstPair = Promise.withResolvers<TlsPair>()
  const shown: { listener?: HttpListener } = {}

  const cluster = await AdmissionCluster.start({
    start: {
      settings,
      logFormat,
      namespace: options.namespace,
      excluded: options.excluded,
      registry,
      // A container that is started again is another one to the Lease.
      identity: `${hostname()}_${randomUUID()}`,
    },
    policies,
    onPair(pair) {
      firstPair.resolve(pair)
      shown.listener?.setTls(pair)
    },
    onBreakGlass(open, isHolder) {
      const reason = open === undefined ? 'break-glass is closed' : openText(open)
      log.warn(reason)
      if (isHolder) void records.observed('break-glass', '', reason)
    },
    onWebhooksChanged: ({ manager, fields }) =>
      void records.observed(
        'webhook-change',
        manager,
        `the webhook configuration was changed: ${fields.join(', ')}`,
      ),
    log,
  })
  cleanup.defer(() => cluster.stop())
  const notReady = (): string | undefined => {
    if (standing.isStopping) return 'it is stopping'
    return policies.current === undefined || !cluster.isSynced
      ? 'the policies of the cluster have not been read yet'
      : undefined
  }
  const surface = new AdmissionSurface({
    judge: new AdmissionJudge({
      feed: policies,
      content: new RegistryContent({
        ask: (question, signal) => client.facts(question, signal),
        now: () => performance.now(),
      }),
      tenants: tenants?.rights,
      records,
      counters,
      breakGlass: () => cluster.breakGlass(Date.now()),
      now: () => policies.now(),
      newId: randomUUID,
    }),
    policies: new PolicyReviews({
      settings: () => ({
        ...exceptionLimits(settings),
        ownHosts: judgeSettings(settings).ownHosts,
        now: policies.now(),
      }),
      changed: (change) => records.policy(change, specHash(change.document)),
    }),
    reader,
    room,
    log,
    measured: (path, seconds) => metrics.reviewed(path, seconds),
    notReady,
  })
  const measure = async () =>
    metrics.render({
      decisions: counters.snapshot(),
      records: records.counts(),
      room,
      generation: policies.current?.generation,
      isReady: notReady() === undefined,
      isOpen: cluster.breakGlass(Date.now()) !== undefined,
      cluster: await cluster.state(),
      restarts: cluster.restarts,
      certificate: cluster.pair?.cert,
    })
  const metricsAddress = settings['metrics-listen']
  if (metricsAddress !== undefined) {
    const listener = listenerOf(new MetricsSurface(measure), undefined, log)
    log.info(`metrics on http://${await listening(listener, metricsAddress)}/metrics`)
    cleanup.defer(() => listener.close(0))
  }
  const pair = await Promise.race([firstPair.promise, stopped.promise])
  if (typeof pair !== 'string') {
    const listener = listenerOf(surface, cluster.pair ?? pair, log)
    shown.listener = listener
    log.info('listening', { url: `https://${await listening(listener, settings.listen)}` })
    await stopped.promise
    standing.isStopping = true
    log.info('stopping: reviews are answered for some seconds more')
    // The API server keeps its connections: each is ended by a reply, since a connection that is closed between two
    // reviews may lose the second, which is an allow under Ignore.
    void listener.windDown()
    await sleep(lingering)
    await listener.close(lastReviews)
  }
  await records.close(lastRecords)
  log.info('stopped')
  return (await stopped.promise) === 'SIGINT' ? 130 : 0
}

function listenerOf(
  surface: ConstructorParameters<typeof HttpListener>[0]['surface'],
  tls: TlsPair | undefined,
  log: Log,
): HttpListener {
  return new HttpListener({
    surface,
    log,
    replies: undefined,
    proxies: new TrustedProxies([]),
    hosts: undefined,
    idleTimeout,
    tls,
    certificates: false,
    accessLog: undefined,
    idPrefix: randomUUID().slice(0, 8),
    now: Date.now,
  })
}

/** As `PolicyChange.hash`; undefined: the object is deleted. */
function specHash(document: unknown): string | undefined {
  if (typeof document !== 'object' || document === null || !('spec' in document)) return undefined
  return hashOf(document.spec)
}

function openText({ until, reason }: { readonly until: number; readonly reason: string }): string {
  return `break-glass is open until ${new Date(until).toISOString()}: ${reason}`
}
