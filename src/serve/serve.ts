import { resolve } from 'node:path'
import { DenialTable } from '../audit/denial-table.ts'
import { openEngines } from '../storage/open-engines.ts'
import type { Ticket } from '../storage/ticket.ts'
import { auditFolder } from './audit/audit-folder.ts'
import { createLogger } from './logger.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import type { Settings } from '../settings/settings-schema.ts'
import { noSetting } from '../settings/settings-variables.ts'
import { createBodies } from './threads/body-places.ts'
import { claimPort } from './claim-port.ts'
import { checkClock } from './clock-check.ts'
import { checkExposure } from './exposure.ts'
import { warnOfWideFolders } from './folder-rights.ts'
import type { HostProcess } from './host-process.ts'
import { startJudges } from './threads/judges.ts'
import { Maintenance } from './threads/maintenance.ts'
import { knownHosts } from './known-hosts.ts'
import { serveMetrics } from './metrics/metrics-server.ts'
import { storageSettings } from './storage-settings.ts'
import { startThread } from './threads/threads.ts'
import { openTls } from './tls/tls.ts'
import type { SeenHealth } from './threads/thread-protocol.ts'
import { WorkerGroup } from './threads/worker-group.ts'
import { WriteWatch } from './write-watch.ts'

const drainLimit = 60_000
/** One Ctrl-C may arrive several times: from the terminal, from npm, from a wrapper. Milliseconds. */
const sameSignal = 500

/** What a person is told after the start. */
export interface BannerFacts {
  readonly url: string
  readonly settings: Settings
  /** The data folder was made by this start. */
  readonly fresh: boolean
  readonly caPath: string | undefined
}

/**
 * `trow serve`: resolves with the exit code when it was told to stop or could not go on. `banner` puts what a person is told
 * into words.
 */
export async function serve(
  { settings: given, ignored }: ResolvedSettings,
  surroundings: HostProcess,
  banner: (facts: BannerFacts) => string,
): Promise<number> {
  const logFormat = formatOf(given, surroundings)
  const log = createLogger({ format: logFormat, level: given['log-level'] })
  for (const variable of ignored) log.warn(noSetting(variable))
  checkExposure(given, log)
  checkClock(Date.now(), undefined)
  const settings: Settings = { ...given, data: resolve(given.data) }
  const engines = await openEngines(storageSettings(settings))
  const { host } = settings.listen
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => engines.close())
  warnOfWideFolders([settings.data, auditFolder(settings, settings.data)], surroundings.env, log)

  // Only from here on: what comes before may wait in a system call, and a signal is to end that at once.
  const stop = waitForStop(surroundings)
  surroundings.onHangup?.(() => log.warn('SIGHUP is ignored: settings are read again by a restart only'))

  const tls = await openTls(settings, log)
  if (tls !== undefined) cleanup.defer(() => tls.close())
  // Where the system cannot share a port among threads, one worker serves it.
  const shared = process.platform === 'linux'
  const { port, release } = await claimPort(host, settings.listen.port, { shared })
  cleanup.defer(release)
  const storage = engines.serve({
    workers: settings.workers,
    poolSize: Number(surroundings.env['UV_THREADPOOL_SIZE'] ?? 4),
    unrecorded: settings['audit-on-failure'],
    log,
    startThread,
  })
  cleanup.defer(() => storage.stop())
  const attach = (): Ticket => storage.attach()
  const beside = { settings, logFormat }
  const { access, audit, authorities } = await startJudges(beside, {
    attach,
    log,
    lines: surroundings.exact.stdout,
    cleanup,
  })

  // What is seen before the workers are there is given to them at their start.
  const watching: { workers?: WorkerGroup; seen: SeenHealth } = {
    seen: { write: { ok: true }, maintenance: { ok: true } },
  }
  const see = (change: Partial<SeenHealth>): void => {
    watching.seen = { ...watching.seen, ...change }
    watching.workers?.setSeen(watching.seen)
  }
  const writes = await WriteWatch.start({
    storage,
    onChange: ({ health }) => {
      if (!health.ok) log.warn('nothing can be written', { reason: health.reason })
      see({ write: health })
    },
  })
  cleanup.defer(() => writes.stop())

  const count = shared ? settings.workers : 1
  const bodies = createBodies(settings, count)
  const workers = new WorkerGroup({
    count,
    held: [bodies, storage],
    log,
    attach: (worker) => storage.attach(worker),
    access,
    audit,
    tls: tls && authorities.with(tls.pair),
    seen: watching.seen,
    accessLog: (lines) => void surroundings.exact.stdout.write(lines),
    start: {
      settings,
      host,
      port,
      reusePort: shared,
      bodies: bodies.buffers,
      denials: DenialTable.create().buffer,
      logFormat,
    },
  })
  watching.workers = workers
  cleanup.defer(() => workers.drain(0))
  await workers.start()
  const maintenance = await Maintenance.start({
    start: beside,
    attach,
    onChange: (health) => see({ maintenance: health }),
    log,
  })
  cleanup.defer(() => maintenance.stop())
  const renewTls = (): void => {
    if (tls !== undefined) workers.setTls(authorities.with(tls.pair))
  }
  tls?.onChange(renewTls)
  authorities.onChange(renewTls)
  const metricsAddress = settings['metrics-listen']
  if (metricsAddress !== undefined) {
    const hosts = knownHosts(settings, metricsAddress.host)
    const metrics = await serveMetrics(metricsAddress, { workers, maintenance, writes, audit, hosts, log })
    log.info(`metrics on http://${metrics.address}/metrics`)
    cleanup.defer(() => metrics.close())
  }
  const url = `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`
  if (logFormat === 'json') log.info('listening', { url })
  else log.info(banner({ url, settings, fresh: engines.fresh, caPath: tls?.own?.path }))

  stop.started()
  const reason = await Promise.race([
    stop.first,
    storage.ended,
    ...(access === undefined ? [] : [access.ended.then(() => 'access' as const)]),
    ...(audit === undefined ? [] : [audit.ended.then(() => 'audit' as const)]),
  ])
  if (reason !== 'SIGINT' && reason !== 'SIGTERM') {
    log.error('a thread has ended that there is only one of: the registry ends too', { thread: reason })
    await workers.drain(0)
    return 1
  }
  log.info('stopping: pulls that run go on, a second signal ends them', { limit: `${drainLimit / 1000}s` })
  await Promise.race([workers.drain(drainLimit), stop.second.then(() => workers.drain(0))])
  log.info('stopped')
  return reason === 'SIGINT' ? 130 : 0
}

function formatOf(settings: Settings, { stderr }: HostProcess): 'json' | 'text' {
  const format = settings['log-format']
  if (format !== 'auto') return format
  return stderr.isTTY === true ? 'text' : 'json'
}

interface Stop {
  readonly first: Promise<'SIGINT' | 'SIGTERM'>
  readonly second: Promise<void>
  /** Until this is called a second signal ends the process as it stands: nothing is being transferred yet. */
  started(): void
}

function waitForStop(surroundings: HostProcess): Stop {
  const first = Promise.withResolvers<'SIGINT' | 'SIGTERM'>()
  const second = Promise.withResolvers<void>()
  let since: number | undefined
  let isStarted = false
  surroundings.onStop((signal) => {
    const now = performance.now()
    if (since === undefined) {
      since = now
      first.resolve(signal)
    } else if (now - since > sameSignal) {
      if (!isStarted) process.exit(signal === 'SIGINT' ? 130 : 143)
      second.resolve()
    }
  })
  return { first: first.promise, second: second.promise, started: () => void (isStarted = true) }
}
