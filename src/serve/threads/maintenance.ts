import type { Health } from '../../http/health-routes.ts'
import type { Log } from '../../log.ts'
import type { EncodedAuditRecord } from '../../metadata/outbox.ts'
import type { ServedStanding } from '../control/served-standing.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import type { Ticket } from '../../storage/ticket.ts'
import type { Policies } from './policies.ts'
import { ReplacedThread } from './replaced-thread.ts'
import { patience } from './threads.ts'
import type {
  MaintenanceMain,
  MaintenanceSide,
  MaintenanceStart,
  MaintenanceTotals,
} from './thread-protocol.ts'

export interface MaintenanceOptions {
  readonly start: Omit<MaintenanceStart, 'storage'>
  readonly attach: () => Ticket
  /** Undefined when there are no policies. */
  readonly policies: Policies | undefined
  /** What `trow status` shows. */
  readonly standing: () => ServedStanding
  readonly onChange: (health: Health) => void
  readonly log: Log
}

/**
 * Main's side of the thread that collects garbage and serves the control socket. A thread that dies is
 * replaced.
 */
export class Maintenance {
  readonly #thread: ReplacedThread<MaintenanceSide>
  readonly #health: () => Health
  readonly #start: { settings: Settings }

  /** Rejects when the first thread does not start. */
  static async start({
    start: given,
    attach,
    policies,
    standing,
    onChange,
    log,
  }: MaintenanceOptions): Promise<Maintenance> {
    const start = { ...given }
    let health: Health = { ok: true }
    const local: MaintenanceMain = {
      askPolicies: (question) => policies?.ask(question),
      standing,
    }
    const thread = await ReplacedThread.start<MaintenanceSide>({
      module: 'maintenance-thread',
      name: 'maintenance',
      data: () => {
        const storage = attach()
        return { start: { ...start, storage } satisfies MaintenanceStart, ports: storage.ports }
      },
      local,
      onChange: (isUp) => {
        health = isUp
          ? { ok: true }
          : { ok: false, reason: 'the thread that collects garbage has died and is being replaced' }
        onChange(health)
      },
      log,
    })
    return new Maintenance(thread, () => health, start)
  }

  private constructor(
    thread: ReplacedThread<MaintenanceSide>,
    health: () => Health,
    start: { settings: Settings },
  ) {
    this.#start = start
    this.#thread = thread
    this.#health = health
  }

  /** The number of times that the thread was replaced. */
  get restarts(): number {
    return this.#thread.restarts
  }

  get health(): Health {
    return this.#health()
  }

  /** Undefined when the thread has ended or does not answer in time. */
  async totals(): Promise<MaintenanceTotals | undefined> {
    return this.#thread.channel?.callWithin(patience, 'totals').catch(() => undefined)
  }

  /** A thread that replaces this one starts with them. */
  async setSettings(settings: Settings): Promise<void> {
    this.#start.settings = settings
    await this.#thread.channel?.call('setSettings', settings)
  }

  /** Writes an audit record; resolves when it is durable. Rejects while the thread is being replaced. */
  async record(auditRecord: EncodedAuditRecord): Promise<void> {
    const { channel } = this.#thread
    if (channel === undefined) throw new Error('the thread that writes audit records is being replaced')
    await channel.call('record', auditRecord)
  }

  stop(): Promise<void> {
    return this.#thread.stop()
  }
}
