import { statSync } from 'node:fs'
import { markOrReason } from '../file-mark.ts'
import { FileWatch } from '../file-watch.ts'
import type { Log } from '../log.ts'
import type { EncodedAuditRecord } from '../metadata/outbox.ts'
import { reasonOf } from '../reason-of.ts'
import { changeOf, type SettingsChange } from '../settings/live-settings.ts'
import type { ReadFile } from '../settings/settings.ts'
import type { Settings } from '../settings/settings-schema.ts'
import { SettingsError } from '../settings/settings-error.ts'
import { UserError } from '../user-error.ts'
import { settingsChangeRecord, settingsRejectRecord, type SettingsSource } from './audit/settings-record.ts'

/** Milliseconds until a change that could not be applied is tried again. */
const retryDelay = 1000

export interface SettingsReloadOptions {
  /** The trow.yaml as the start has read it. Undefined: there is none, and nothing can be read again. */
  readonly file: ReadFile | undefined
  /** The settings that the server runs with. */
  readonly settings: Settings
  /** Reads flags, variables and the file again. Throws UserError as at the start. */
  readonly reread: () => Promise<Settings>
  /** Writes the audit record before the change applies. Undefined where there is no audit log. */
  readonly record: ((auditRecord: EncodedAuditRecord) => Promise<void>) | undefined
  /** Resolves when every thread works with the settings. */
  readonly apply: (settings: Settings) => Promise<void>
  readonly log: Log
  readonly now: () => number
}

/**
 * Reads trow.yaml again when it changes and at SIGHUP. Settings that a running server can take are in force when `apply`
 * resolves; for others the log says that they need a restart. A file that does not load leaves everything as it was.
 */
export class SettingsReload {
  readonly #options: SettingsReloadOptions
  readonly #watch: FileWatch | undefined
  #settings: Settings
  /** What was said last about the file: the same fault is logged once. */
  #said = ''
  /** Reloads run one after another. */
  #running: Promise<void> = Promise.resolve()
  #retry: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: SettingsReloadOptions) {
    this.#options = options
    this.#settings = options.settings
    const { file } = options
    if (file === undefined) return
    const { path, mark } = file
    this.#watch = new FileWatch({
      marks: () => new Map([[path, markOrReason(path)]]),
      // What has changed since the start has read the file is a change, and the file as it was then is none.
      read: new Map([[path, mark]]),
      changed: () => this.#reload('it has changed'),
      failed: (error) => this.#refused(error),
    })
    this.#watch.start()
  }

  /** At SIGHUP. */
  hangup(): void {
    const { file, log } = this.#options
    if (file === undefined)
      return log.warn(
        'SIGHUP: there is no trow.yaml to read again; flags and variables are read at the start only',
      )
    this.#reload('SIGHUP')
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    this.#watch?.close()
    await this.#running
  }

  #reload(why: string): void {
    clearTimeout(this.#retry)
    this.#running = this.#running.then(async () => {
      if (this.#isClosed) return
      try {
        await this.#readAgain(why)
      } catch (error) {
        this.#refused(error)
        this.#retry = setTimeout(() => this.#reload(why), retryDelay).unref()
      }
    })
  }

  async #readAgain(why: string): Promise<void> {
    const { log, reread, apply, now } = this.#options
    const source = sourceOf(this.#options.file?.path ?? '')
    let after: Settings
    try {
      after = await reread()
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      return this.#reject(source, error)
    }
    const change = changeOf(this.#settings, after)
    if (change.live.length > 0) {
      await this.#options.record?.(settingsChangeRecord(source, this.#settings, change, now()))
      await apply(change.settings)
      this.#settings = change.settings
    }
    this.#report(source, change, why, log)
  }

  #report({ file }: SettingsSource, { live, restart }: SettingsChange, why: string, log: Log): void {
    if (live.length > 0)
      log.info('settings were read again and are in force', { file, settings: live.join(', ') })
    const waiting = restart.join(', ')
    if (waiting !== '' && (this.#said !== waiting || why === 'SIGHUP'))
      log.warn('these settings have changed and need a restart', { file, settings: waiting })
    else if (live.length === 0 && waiting === '' && (why === 'SIGHUP' || this.#said !== ''))
      log.info('settings were read again: nothing differs', { file })
    this.#said = waiting
  }

  async #reject(source: SettingsSource, error: UserError): Promise<void> {
    const reasons = (error instanceof SettingsError ? error.problems : [error]).map(({ message }) => message)
    const reason = reasons.join('; ')
    if (reason === this.#said) return
    this.#said = reason
    const { log, now } = this.#options
    log.error('the settings are not used as they are now, the old ones stay', { file: source.file, reason })
    try {
      await this.#options.record?.(settingsRejectRecord(source, reason, now()))
    } catch (failure) {
      // Nothing has changed, so that nothing needs to wait for the record.
      log.error('that could not be recorded in the audit log', { reason: reasonOf(failure) })
    }
  }

  #refused(error: unknown): void {
    const reason = reasonOf(error)
    if (reason === this.#said) return
    this.#said = reason
    this.#options.log.error('changed settings could not be applied; it is tried again', { reason })
  }
}

function sourceOf(file: string): SettingsSource {
  try {
    return { file, owner: `uid ${statSync(file).uid}` }
  } catch {
    return { file, owner: undefined }
  }
}
