import { setTimeout as sleep } from 'node:timers/promises'
import type { Announced } from '../../audit/admission-event.ts'
import type { Log } from '../../log.ts'
import type { PackedPolicies } from '../../policy-store/packed-policies.ts'
import type { PolicyStatus } from '../../policy-store/policy-status.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import type { Ticket } from '../../storage/ticket.ts'
import { UserError } from '../../user-error.ts'
import { ReplacedThread } from './replaced-thread.ts'
import { patience } from './threads.ts'
import type {
  MaintenanceStart,
  PolicyMain,
  PolicyQuestion,
  PolicyReply,
  PolicySide,
  PolicyStart,
} from './thread-protocol.ts'

export interface PoliciesOptions {
  readonly start: Omit<MaintenanceStart, 'storage'>
  readonly attach: () => Ticket
  readonly log: Log
}

/** Milliseconds. Several edits may wait in turn, each of them `policyEditPatience`. */
const askPatience = 60_000

/** The workers, as `WorkerGroup` has them. */
export interface PolicyDoors {
  setPolicies(packed: PackedPolicies): Promise<void>
  readonly unconfirmed: readonly string[]
}

/**
 * Main's side of the thread that reads the policies. Main keeps what the thread published last: a worker that is
 * started gets it, and while a thread that died is being replaced everything is judged by it.
 */
export class Policies {
  readonly #thread: ReplacedThread<PolicySide>
  readonly #published: Published

  /** Rejects when the first thread does not start. */
  static async start({ start, attach, log }: PoliciesOptions): Promise<Policies> {
    const published: Published = {
      settings: start.settings,
      packed: undefined,
      doors: undefined,
    }
    const local: PolicyMain = {
      publish(packed) {
        published.packed = packed
        return published.doors?.setPolicies(packed) ?? Promise.resolve()
      },
      unconfirmed: () => published.doors?.unconfirmed ?? [],
    }
    const thread = await ReplacedThread.start<PolicySide>({
      module: 'policy-thread',
      name: 'the thread that reads the policies',
      data: () => {
        const storage = attach()
        const generation = published.packed?.generation ?? 0
        const { settings } = published
        return {
          start: { ...start, settings, storage, generation } satisfies PolicyStart,
          ports: storage.ports,
        }
      },
      local,
      log,
    })
    return new Policies(thread, published)
  }

  private constructor(thread: ReplacedThread<PolicySide>, published: Published) {
    this.#thread = thread
    this.#published = published
  }

  /** Undefined when no policies were read yet, not even what was last good from disk. */
  get packed(): PackedPolicies | undefined {
    return this.#published.packed
  }

  /** From now on policies count as in force when the doors have confirmed them. */
  bringTo(doors: PolicyDoors): void {
    this.#published.doors = doors
  }

  /** The number of times that the thread was replaced. */
  get restarts(): number {
    return this.#thread.restarts
  }

  /** Undefined when the thread has ended or does not answer in time. */
  async status(): Promise<PolicyStatus | undefined> {
    return this.#thread.channel?.callWithin(patience, 'status').catch(() => undefined)
  }

  /**
   * Throws the UserErrors of reading and editing, and POLICY_AWAY while the thread is being replaced, or where it
   * does not answer within a minute.
   */
  async ask(question: PolicyQuestion): Promise<PolicyReply> {
    const { channel } = this.#thread
    if (channel === undefined) throw away()
    const timer = new AbortController()
    const late = sleep(askPatience, undefined, { signal: timer.signal }).catch(() => undefined)
    try {
      const reply = await Promise.race([channel.call('ask', question), late])
      if (reply !== undefined) return reply
    } catch (error) {
      throw error instanceof UserError || !channel.isEnded ? error : away(error)
    } finally {
      timer.abort()
    }
    throw away()
  }

  /** A thread that replaces this one starts with them. */
  async setSettings(settings: Settings): Promise<void> {
    this.#published.settings = settings
    await this.#thread.channel?.call('setSettings', settings)
  }

  /** Changes that a webhook has let through; they are lost while the thread is being replaced. */
  announce(changes: readonly Announced[]): void {
    this.#thread.channel?.tell('announce', [changes])
  }

  stop(): Promise<void> {
    return this.#thread.stop()
  }
}

interface Published {
  settings: Settings
  packed: PackedPolicies | undefined
  doors: PolicyDoors | undefined
}

function away(cause?: unknown): UserError {
  return new UserError('POLICY_AWAY', 'the thread that reads the policies does not answer', {
    hint: 'It is being replaced if it has died: try again in a moment. Meanwhile requests are judged by the policies that were in force.',
    cause,
  })
}
