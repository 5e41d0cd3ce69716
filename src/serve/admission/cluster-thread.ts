import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { readBreakGlass } from '../../admission/break-glass.ts'
import { admissionNames, serviceHost } from '../../cluster/admission-layout.ts'
import { ClusterLease } from '../../cluster/cluster-lease.ts'
import { CredentialSource } from '../../cluster/credential-source.ts'
import { loadKubeContext } from '../../cluster/kubeconfig.ts'
import { connectObjects, type OpenClusterObjects } from '../../cluster/kubernetes-objects.ts'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { ClusterSource } from '../../policy-store/cluster-source.ts'
import { KeptPolicies } from '../../policy-store/kept-policies.ts'
import { packPolicies } from '../../policy-store/packed-policies.ts'
import { PolicyKeeper } from '../../policy-store/policy-keeper.ts'
import type { PolicySnapshot } from '../../policy-store/policy-snapshot.ts'
import { reasonOf } from '../../reason-of.ts'
import { createLogger } from '../logger.ts'
import { exceptionLimits, judgeSettings } from '../policy/policy-settings.ts'
import { systemUptime } from '../threads/system-uptime.ts'
import { CertificateKeeper } from './certificate-keeper.ts'
import type { ClusterMain, ClusterSide, ClusterStart } from './cluster-protocol.ts'
import { FloorKeeper } from './floor-keeper.ts'
import { passingMakers } from './passing-makers.ts'
import { PodScan } from './pod-scan.ts'
import { WebhookKeeper } from './webhook-keeper.ts'

/** Milliseconds for one request: a list of the largest policies takes seconds where the API server is slow. */
const timeout = 8000
/** Milliseconds between two looks at the Lease and at what its holder keeps. */
const round = 5000
/** As long as there is no certificate, without which nobody can ask anything. */
const firstRounds = 500
/** Milliseconds between two looks at what changes with time. */
const tick = 250

const start = workerData as ClusterStart
const { settings, namespace, identity } = start
const main = parentPort as MessagePort
const log = createLogger({ format: start.logFormat, level: settings['log-level'] })
const monotonic = (): number => performance.now()
const stopping = new AbortController()
let stop = (): void => main.close()

let state: ClusterSide['state'] = () => {
  throw new Error('the thread has not started')
}
const local: ClusterSide = {
  start: () => open(),
  state: () => state(),
  stop: () => stop(),
}
const channel = new ThreadChannel<ClusterMain>(main, local)

async function open(): Promise<void> {
  const objects = await connect()
  const scan = new PodScan({ objects, namespace, registry: start.registry, log })
  const floor = new FloorKeeper({
    objects,
    breakGlass: { namespace, name: admissionNames.breakGlass, read: readBreakGlass },
    excluded: [...new Set([namespace, ...start.excluded])],
    isHolder: () => lease.isHeld,
    now: Date.now,
    monotonic,
    onStatus: ({ state, openUntil, problems }) =>
      log.info(`the floor is ${state}`, {
        ...(openUntil === undefined ? {} : { until: new Date(openUntil).toISOString() }),
        problems,
      }),
    log,
  })
  const policies = followPolicies(objects, (snapshot, madeAt) => {
    scan.take(snapshot, madeAt)
    floor.put(snapshot)
  })
  const webhooks = new WebhookKeeper({
    objects,
    namespace,
    now: Date.now,
    onBreakGlass: (opened) => channel.tell('setBreakGlass', [opened, lease.isHeld]),
    onChange: (change) => channel.tell('webhooksChanged', [change, lease.isHeld]),
    log,
  })
  const certificates = new CertificateKeeper({
    objects,
    namespace,
    host: serviceHost(admissionNames.workload, namespace),
    make: passingMakers,
    now: Date.now,
    monotonic,
    onPair: (pair) => channel.tell('setTls', [pair]),
    log,
  })
  const lease = new ClusterLease({
    objects,
    namespace,
    name: admissionNames.lease,
    identity,
    now: Date.now,
    monotonic,
  })
  const following = Promise.all([webhooks.follow(), certificates.follow(), floor.run()])
  let isSynced = false
  const timer = setInterval(() => {
    webhooks.tick()
    const { generation, fromDisk } = policies.status
    if (!isSynced && generation !== undefined && !fromDisk) channel.tell('synced', [])
    isSynced ||= generation !== undefined && !fromDisk
  }, tick)
  const keeping = keep({ lease, certificates, webhooks, scan })
  state = () => ({
    isHolder: lease.isHeld,
    lastSync: policies.status.lastSync,
    failurePolicy: webhooks.failurePolicy,
    floor: lease.isHeld ? floor.status : undefined,
    scan: scan.metrics,
  })
  stop = () => void close()

  async function close(): Promise<void> {
    stopping.abort()
    clearInterval(timer)
    webhooks.close()
    certificates.close()
    floor.close()
    await scan.stop()
    await Promise.allSettled([policies.close(), following, keeping])
    // Another pod need not wait for it to run out.
    await lease.release().catch(() => undefined)
    await objects.close()
    main.close()
  }
}

function connect(): Promise<OpenClusterObjects> {
  const { env } = process
  const context = loadKubeContext({ env, cwd: process.cwd(), kubeconfig: settings.kubeconfig })
  const credentials = new CredentialSource(context, { env, interactive: false, now: Date.now })
  return connectObjects({ context, credentials, timeout, manager: admissionNames.manager })
}

function followPolicies(
  objects: OpenClusterObjects,
  take: (snapshot: PolicySnapshot, madeAt: number) => void,
): PolicyKeeper {
  const keeper = new PolicyKeeper({
    source: new ClusterSource({ objects, now: Date.now, log }),
    kept: new KeptPolicies(join(settings.data, 'policies')),
    judge: judgeSettings(settings),
    exceptions: exceptionLimits(settings),
    clocks: { wall: Date.now, monotonic: systemUptime },
    generation: start.generation,
    async publish(snapshot) {
      const madeAt = systemUptime()
      await channel.call('publish', packPolicies(snapshot, madeAt))
      take(snapshot, madeAt)
    },
    // The registry records changes; here they only come into force.
    record: () => Promise.resolve(),
    log,
  })
  keeper.start()
  return keeper
}

/** What one of the pods does for all of them. */
async function keep({
  lease,
  certificates,
  webhooks,
  scan,
}: {
  readonly lease: ClusterLease
  readonly certificates: CertificateKeeper
  readonly webhooks: WebhookKeeper
  readonly scan: PodScan
}): Promise<void> {
  let complaint: string | undefined
  let wasHeld = false
  while (!stopping.signal.aborted) {
    try {
      const isHeld = await lease.take()
      if (isHeld !== wasHeld) log.info(isHeld ? 'this pod holds the Lease' : 'another pod holds the Lease')
      wasHeld = isHeld
      await scan.hold(isHeld)
      if (isHeld) {
        await certificates.keep(webhooks.bundle)
        const { bundle } = certificates
        if (bundle !== undefined) await webhooks.keep(bundle)
      }
      complaint = undefined
    } catch (error) {
      const reason = reasonOf(error)
      if (complaint !== reason)
        log.warn('certificate and webhook configuration could not be kept', { reason })
      complaint = reason
    }
    const pause = certificates.bundle === undefined ? firstRounds : round
    await sleep(pause, undefined, { signal: stopping.signal }).catch(() => undefined)
  }
}
