import { hostPort } from '../host-port.ts'
import { resolve } from 'node:path'
import { DenialTable } from '../audit/denial-table.ts'
import { Reserve } from '../blobs/reserve.ts'
import { isShared } from '../storage/open-content.ts'
import { openEngines } from '../storage/open-engines.ts'
import type { Ticket } from '../storage/ticket.ts'
import { auditFolder, checkSharedAudit } from './audit/audit-folder.ts'
import type { FileChanged } from './audit/file-change.ts'
import { FileRecords } from './audit/file-records.ts'
import { isAudited } from '../settings/access-settings.ts'
import { createLogger, logFormatOf } from './logger.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import type { Settings } from '../settings/settings-schema.ts'
import { noSetting } from '../settings/settings-variables.ts'
import { createBodies } from './threads/body-places.ts'
import { claimPort } from './claim-port.ts'
import { checkClock } from './clock-check.ts'
import { DatabaseWatch } from './database/database-watch.ts'
import { ownProcess } from './database/own-process.ts'
import { checkExposure, checkSharedAuthority } from './exposure.ts'
import { warnOfWideFolders } from './folder-rights.ts'
import type { HostProcess } from './host-process.ts'
import { startGuards } from './threads/guards.ts'
import { checkPolicySettings, isJudged } from './policy/policy-settings.ts'
import { Policies } from './threads/policies.ts'
import { Maintenance } from './threads/maintenance.ts'
import { knownHosts } from './known-hosts.ts'
import { serveMetrics } from './metrics/metrics-server.ts'
import { SettingsReload } from './settings-reload.ts'
import { storageSettings } from './storage-settings.ts'
import { startThread } from './threads/threads.ts'
import { openTls } from './tls/tls.ts'
import type { SeenHealth } from './threads/thread-protocol.ts'
import { WorkerGroup } from './threads/worker-group.ts'
import { WriteWatch } from './write-watch.ts'

const drainLimit = 60_000
/** Milliseconds. One Ctrl-C may arrive several times: from the terminal, from npm, from a wrapper. */
const sameSignal = 500

/** What the program that runs the server knows of itself. */
export interface ServingProgram {
  readonly version: string
  /** Formats the text that is shown after the start. */
  banner(facts: BannerFacts): string
  /** Reads flags, variables and the trow.yaml again. Throws UserError. */
  reread(): Promise<ResolvedSettings>
}

/** Facts shown on the terminal after the start. */
export interface BannerFacts {
  readonly url: string
  readonly settings: Settings
  /** This start has created the data folder. */
  readonly fresh: boolean
  readonly caPath: string | undefined
}

/**
 * Runs `trow serve`. Resolves with the exit code after a stop signal, or when the server cannot go on.
 */
export async function serve(
  { settings: given, ignored, file }: ResolvedSettings,
  hostProcess: HostProcess,
  program: ServingProgram,
): Promise<number> {
  const logFormat = logFormatOf(given['log-format'], hostProcess)
  const log = createLogger({ format: logFormat, level: given['log-level'] })
  for (const variable of ignored) log.warn(noSetting(variable))
  checkExposure(given, log)
  checkPolicySettings(given)
  checkClock(Date.now(), undefined)
  const settings: Settings = { ...given, data: resolve(given.data) }
  const places = storageSettings(settings, hostProcess.env, settings.workers)
  if (isShared(places)) {
    checkSharedAuthority(settings)
    checkSharedAudit(settings)
  }
  const engines = await openEngines(places)
  for (const warning of engines.warnings) log.warn(warning)
  const { host } = settings.listen
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => engines.close())
  const logs = engines.isShared ? [] : [auditFolder(settings, settings.data)]
  warnOfWideFolders([settings.data, ...logs], hostProcess.env, log)

  // Installed only here: the steps before may block in a system call, and a signal must end them at once.
  const stop = waitForStop(hostProcess)

  const own = ownProcess(settings.data)
  const files = isAudited(settings) ? new FileRecords({ log, process: own.name, now: Date.now }) : undefined
  const changed: FileChanged = (change) => files?.add(change)
  const tls = await openTls(settings, log, changed)
  if (tls !== undefined) cleanup.defer(() => tls.close())
  // Where the operating system cannot share a port among threads, one worker serves it.
  const shared = process.platform === 'linux'
  const { port, release } = await claimPort(host, settings.listen.port, { shared })
  cleanup.defer(release)
  const reserve = Reserve.of(settings.reserve)
  const storage = engines.serve({
    reserve,
    workers: settings.workers,
    poolSize: Number(hostProcess.env['UV_THREADPOOL_SIZE'] ?? 4),
    unrecorded: settings['audit-on-failure'],
    log,
    startThread,
  })
  cleanup.defer(() => storage.stop())
  const database =
    storage.database &&
    new DatabaseWatch({
      database: storage.database,
      isShared: storage.isShared,
      ...own,
      settings,
      log,
    })
  if (database !== undefined) cleanup.defer(() => database.stop())
  const attach = (): Ticket => storage.attach()
  // Health changes seen before the workers exist are passed to them at their start.
  const watching: { workers?: WorkerGroup; seen: SeenHealth } = {
    seen: { write: { ok: true }, maintenance: { ok: true } },
  }
  const beside = { settings, logFormat }
  const { access, audit, authorities } = await startGuards(beside, {
    attach,
    log,
    lines: hostProcess.exact.stdout,
    cleanup,
    onUsersChanged: () => watching.workers?.forgetAccess(),
    changed,
  })
  const policies = isJudged(settings) ? await Policies.start({ start: beside, attach, log }) : undefined
  if (policies !== undefined) cleanup.defer(() => policies.stop())

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
    policies: policies?.packed,
    accessLog: (lines) => void hostProcess.exact.stdout.write(lines),
    announce: (changes) => policies?.announce(changes),
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
  policies?.bringTo(workers)
  cleanup.defer(() => workers.drain(0))
  await workers.start()
  const maintenance = await Maintenance.start({
    start: beside,
    attach,
    policies,
    standing: () => ({ version: program.version, ...watching.seen, database: database?.sight }),
    onChange: (health) => see({ maintenance: health }),
    log,
  })
  cleanup.defer(() => maintenance.stop())
  files?.writeWith((auditRecord) => maintenance.record(auditRecord))
  if (files !== undefined) cleanup.defer(() => files.close())
  const reload = new SettingsReload({
    file,
    settings,
    reread: async () => ({ ...(await program.reread()).settings, data: settings.data }),
    record: audit && ((auditRecord) => maintenance.record(auditRecord)),
    apply: async (changed) => {
      log.setLevel(changed['log-level'])
      reserve.set(changed.reserve)
      database?.setSettings(changed)
      // Before the workers: they forget what they know, and ask it again.
      await access?.channel.call('setSettings', changed)
      // Before a collection that goes by a shorter grace: a HEAD must renew what it has found in time.
      await workers.setSettings(changed)
      await Promise.all([
        audit?.channel.call('setSettings', changed),
        maintenance.setSettings(changed),
        policies?.setSettings(changed),
      ])
    },
    log,
    now: Date.now,
  })
  cleanup.defer(() => reload.close())
  hostProcess.onHangup?.(() => reload.hangup())
  const renewTls = (): void => {
    if (tls !== undefined) workers.setTls(authorities.with(tls.pair))
  }
  tls?.onChange(renewTls)
  authorities.onChange(renewTls)
  const metricsAddress = settings['metrics-listen']
  if (metricsAddress !== undefined) {
    const hosts = knownHosts(settings, metricsAddress.host)
    const metrics = await serveMetrics(metricsAddress, {
      workers,
      maintenance,
      writes,
      audit,
      policies,
      hosts,
      tls,
      version: program.version,
      log,
    })
    log.info(`metrics on http://${metrics.address}/metrics`)
    cleanup.defer(() => metrics.close())
  }
  const url = `${tls === undefined ? 'http' : 'https'}://${hostPort(host, port)}`
  if (engines.content === 'bucket') log.info('blobs are kept in a bucket', { bucket: engines.place })
  if (logFormat === 'json') log.info('listening', { url })
  else log.info(program.banner({ url, settings, fresh: engines.fresh, caPath: tls?.own?.path }))

  database?.start()
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

interface Stop {
  readonly first: Promise<'SIGINT' | 'SIGTERM'>
  readonly second: Promise<void>
  /** Before this call a second signal ends the process immediately: no transfer is running yet. */
  started(): void
}

function waitForStop(hostProcess: HostProcess): Stop {
  const first = Promise.withResolvers<'SIGINT' | 'SIGTERM'>()
  const second = Promise.withResolvers<void>()
  let since: number | undefined
  let isStarted = false
  hostProcess.onStop((signal) => {
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
