import { randomUUID } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { TrustedProxies } from '../../http/client-address.ts'
import type { HealthChecks } from '../../http/health-routes.ts'
import { HttpListener } from '../../http/http-listener.ts'
import { RegistrySurface } from '../../http/registry-surface.ts'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import type { MetadataStore } from '../../metadata/metadata-store.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import { reasonOf } from '../../reason-of.ts'
import { openRegistry } from '../../registry/open-registry.ts'
import { openBlobs, openMetadata } from '../../storage/thread-stores.ts'
import { auditFolder } from '../audit/audit-folder.ts'
import { createLogger } from '../logger.ts'
import { cannotListen } from '../cannot-listen.ts'
import { isAccessControlled } from '../../settings/access-settings.ts'
import { attachBodies } from './body-places.ts'
import { openGate } from './worker-gate.ts'
import { LineBatch } from './line-batch.ts'
import { knownHosts } from '../known-hosts.ts'
import { OperationCounters } from './operation-counters.ts'
import type { WorkerCounts, WorkerMain, WorkerSide, WorkerStart } from './thread-protocol.ts'

const cacheBytes = 16 * 1024 * 1024

const start = workerData as WorkerStart
const { settings } = start
let { seen } = start
const main = parentPort as MessagePort

const log = createLogger({ format: start.logFormat, level: settings['log-level'] })
const operations = new OperationCounters()
const metadata = operations.watch('metadata', await openMetadata(start.storage, { cacheBytes }), [
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
const registry = openRegistry({
  metadata,
  blobs,
  guard: undefined,
  log,
  now: Date.now,
  newId: randomUUID,
  limits: {
    inlineLimit: settings['inline-limit'],
    manifestLimit: settings['manifest-limit'],
    allowMissing: settings['allow-missing'],
    allowSparseIndex: settings['allow-sparse-index'],
    grace: settings['gc-grace'],
  },
  untagged: settings.untagged,
})
const { gate, close: closeGate } = openGate(start, metadata)
const lines = new LineBatch((text) => channel.tell('accessLines', [text]))
const bodies = attachBodies(start.bodies, start.number)
const server = new HttpListener({
  surface: new RegistrySurface({
    registry,
    bodies,
    health: healthChecks(metadata),
    gate,
    audit:
      start.audit === undefined
        ? undefined
        : { folder: auditFolder(settings, settings.data), heads: metadata.outbox },
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
    try {
      await server.listen({ host: start.host, port: start.port, reusePort: start.reusePort })
    } catch (error) {
      throw cannotListen(start.host, start.port, error)
    }
  },
  setSeen: (changed) => void (seen = changed),
  setTls: (pair) => server.setTls(pair),
  counts,
  windDown: () => server.windDown(),
  close: (limit) => void close(limit),
}
const channel = new ThreadChannel<WorkerMain>(main, local)

async function close(limit: number): Promise<void> {
  await server.close(limit)
  lines.flush()
  closeGate()
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
    policies: [],
    lag: measured,
  }
}

function healthChecks(store: MetadataStore): HealthChecks {
  return {
    async read() {
      try {
        await store.hasRepository('ready' as RepositoryName)
        return { ok: true }
      } catch (error) {
        return { ok: false, reason: reasonOf(error) }
      }
    },
    write: () => seen.write,
    maintenance: () => seen.maintenance,
  }
}
