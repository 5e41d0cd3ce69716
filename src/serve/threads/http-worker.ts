import { randomUUID } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { TrustedProxies } from '../../http/client-address.ts'
import type { Health, HealthChecks } from '../../http/health-routes.ts'
import type { AdmissionDoor } from '../../http/admission-routes.ts'
import { HttpListener } from '../../http/http-listener.ts'
import { RegistrySurface } from '../../http/registry-surface.ts'
import { AdmissionFacts } from '../../enforcement/admission-facts.ts'
import { PolicyGuard } from '../../enforcement/policy-guard.ts'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import type { MetadataStore } from '../../metadata/metadata-store.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import { openRegistry } from '../../registry/open-registry.ts'
import { openBlobs, openMetadata } from '../../storage/thread-stores.ts'
import { admissionRecords } from '../audit/admission-records.ts'
import { openAuditStore } from '../audit/audit-store.ts'
import { createLogger } from '../logger.ts'
import { cannotListen } from '../cannot-listen.ts'
import { isAccessControlled, isAudited } from '../../settings/access-settings.ts'
import { coverageOf } from '../policy/coverage.ts'
import { isJudged } from '../policy/policy-settings.ts'
import { attachBodies } from './body-places.ts'
import { openGate } from './worker-gate.ts'
import { LineBatch } from './line-batch.ts'
import { ReadHealth } from './read-health.ts'
import { knownHosts } from '../known-hosts.ts'
import { WorkerPolicies } from './worker-policies.ts'
import { OperationCounters } from './operation-counters.ts'
import type { WorkerCounts, WorkerMain, WorkerSide, WorkerStart } from './thread-protocol.ts'

const unread: Health = { ok: false, reason: 'the policies have not been read yet' }
const cacheBytes = 16 * 1024 * 1024

const start = workerData as WorkerStart
let { settings } = start
let { seen } = start
const main = parentPort as MessagePort

const log = createLogger({ format: start.logFormat, level: settings['log-level'] })
const operations = new OperationCounters()
let staleReads = 0
const onStale = (): void => void (staleReads += 1)
const metadata = operations.watch('metadata', await openMetadata(start.storage, { cacheBytes, onStale }), [
  'createUpload',
  'claimUpload',
  'putBlob',
  'putWholeBlob',
  'mountBlob',
  'touchBlob',
  'putManifest',
  'deleteTag',
  'deleteManifest',
])
const blobs = operations.watch('blobs', await openBlobs(start.storage), [
  'receive',
  'publish',
  'open',
  'remove',
])
const policies = isJudged(settings) ? new WorkerPolicies() : undefined
const guard = policies && new PolicyGuard({ feed: policies, metadata, blobs, now: () => policies.now() })
const registry = openRegistry({
  metadata,
  blobs,
  guard,
  log,
  now: Date.now,
  newId: randomUUID,
  limits: {
    get inlineLimit() {
      return settings['inline-limit']
    },
    get manifestLimit() {
      return settings['manifest-limit']
    },
    get allowMissing() {
      return settings['allow-missing']
    },
    get allowSparseIndex() {
      return settings['allow-sparse-index']
    },
    get grace() {
      return settings['gc-grace']
    },
  },
  untagged: () => settings.untagged,
})
const audit = start.audit === undefined ? undefined : await openAuditStore(settings, start.storage, metadata)
const opened = openGate(start, metadata)
const { gate } = opened
const lines = new LineBatch((text) => channel.tell('accessLines', [text]))
const bodies = attachBodies(start.bodies, start.number)
const server = new HttpListener({
  surface: new RegistrySurface({
    registry,
    bodies,
    health: healthChecks(metadata),
    gate,
    admission: settings.kubernetes ? admissionDoor() : undefined,
    audit: audit && { lines: audit.store, heads: metadata.outbox },
    coverage: (digest, signal) =>
      coverageOf(digest, { metadata, audit: audit?.store, now: Date.now }, signal),
    now: Date.now,
  }),
  log,
  replies: bodies.replies,
  proxies: new TrustedProxies(settings['trusted-proxies']),
  hosts:
    isAccessControlled(settings) || start.tls !== undefined
      ? undefined
      : knownHosts(settings, settings.listen.host),
  idleTimeout: settings['idle-timeout'],
  tls: start.tls,
  certificates: gate.access !== undefined,
  accessLog: settings['access-log']
    ? { format: start.logFormat, write: (line) => lines.add(line) }
    : undefined,
  idPrefix: randomUUID().slice(0, 8),
  now: Date.now,
})
const lag = monitorEventLoopDelay({ resolution: 20 })
lag.enable()

const local: WorkerSide = {
  async listen() {
    if (start.policies !== undefined) await policies?.take(start.policies)
    try {
      await server.listen({ host: start.host, port: start.port, reusePort: start.reusePort })
    } catch (error) {
      throw cannotListen(start.host, start.port, error)
    }
  },
  setSeen: (changed) => void (seen = changed),
  setTls: (pair) => server.setTls(pair),
  setSettings(changed) {
    settings = changed
    log.setLevel(changed['log-level'])
    server.setIdleTimeout(changed['idle-timeout'])
    opened.setSettings(changed)
  },
  forgetAccess: () => opened.forget(),
  setPolicies: async (packed) => policies?.take(packed),
  counts,
  windDown: () => server.windDown(),
  close: (limit) => void close(limit),
}
const channel = new ThreadChannel<WorkerMain>(main, local)

async function close(limit: number): Promise<void> {
  await server.close(limit)
  lines.flush()
  opened.close()
  await audit?.close()
  await blobs.close()
  await metadata.close()
  main.close()
}

function counts(): WorkerCounts {
  const seconds = (nanoseconds: number): number => (Number.isFinite(nanoseconds) ? nanoseconds / 1e9 : 0)
  const measured = { mean: seconds(lag.mean), p99: seconds(lag.percentile(99)), max: seconds(lag.max) }
  lag.reset()
  return {
    worker: start.number,
    ...server.counts(),
    operations: operations.snapshot(),
    staleReads,
    policies: guard?.counts() ?? [],
    lag: measured,
    heapUsed: getHeapStatistics().used_heap_size,
  }
}

/** Where there is a cluster its admission pods look at content here, and hand in what they have decided. */
function admissionDoor(): AdmissionDoor {
  const facts = new AdmissionFacts({ metadata, blobs })
  const { outbox } = metadata
  return {
    facts: (repository, reference) => facts.of(repository, reference),
    records: isAudited(settings)
      ? admissionRecords(outbox, (changes) => channel.tell('announce', [changes]))
      : undefined,
  }
}

function healthChecks(store: MetadataStore): HealthChecks {
  const reads = new ReadHealth(() => store.hasRepository('ready' as RepositoryName))
  return {
    read: () => reads.check(),
    write: () => seen.write,
    maintenance: () => seen.maintenance,
    policies: policies && (() => (policies.current === undefined ? unread : { ok: true })),
  }
}
