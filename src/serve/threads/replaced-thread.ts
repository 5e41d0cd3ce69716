import type { MessagePort, Worker } from 'node:worker_threads'
import type { Log } from '../../log.ts'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { reasonOf, stackOf } from '../../reason-of.ts'
import { ended, startThread } from './threads.ts'

/** What every such thread answers. */
export interface ReplacedSide {
  /** Called once, first. Resolves when the thread is ready. */
  start(): void | Promise<void>
  stop(): void
}

export interface ReplacedThreadOptions {
  /** As `startThread` takes it. */
  readonly module: string | URL
  /** In log lines: `maintenance`. */
  readonly name: string
  /** Called for each thread that is started. */
  readonly data: () => { readonly start: object; readonly ports: readonly MessagePort[] }
  /** The methods that main answers the thread. */
  readonly local?: object
  readonly onChange?: (isUp: boolean) => void
  readonly log: Log
}

const firstDelay = 100
const longestDelay = 5000

/** Main's side of a thread of which there is one, and which is replaced when it dies. */
export class ReplacedThread<Side extends ReplacedSide> {
  readonly #options: ReplacedThreadOptions
  #running: { readonly thread: Worker; readonly channel: ThreadChannel<Side> } | undefined
  #timer: NodeJS.Timeout | undefined
  #stopping = false
  #restarts = 0

  /** Rejects when the first thread does not start. */
  static async start<Side extends ReplacedSide>(
    options: ReplacedThreadOptions,
  ): Promise<ReplacedThread<Side>> {
    const replaced = new ReplacedThread<Side>(options)
    await replaced.#begin(firstDelay)
    return replaced
  }

  private constructor(options: ReplacedThreadOptions) {
    this.#options = options
  }

  /** The number of times that the thread was replaced. */
  get restarts(): number {
    return this.#restarts
  }

  /** Undefined while no thread runs. */
  get channel(): ThreadChannel<Side> | undefined {
    return this.#running?.channel
  }

  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    if (this.#running === undefined) return
    const { thread, channel } = this.#running
    const gone = ended(thread)
    asReplaced(channel).tell('stop', [])
    await gone
  }

  async #begin(delay: number): Promise<void> {
    const { module, name, data, local, onChange, log } = this.#options
    const { start, ports } = data()
    const thread = startThread(module, start, ports)
    const channel = new ThreadChannel<Side>(thread, local)
    this.#running = { thread, channel }
    let isReady = false
    const since = performance.now()
    thread.on('error', (error) => log.error(`${name} has died`, { stack: stackOf(error) }))
    thread.on('exit', () => {
      this.#running = undefined
      if (this.#stopping || !isReady) return
      const next = performance.now() - since > 10_000 ? firstDelay : Math.min(delay * 2, longestDelay)
      onChange?.(false)
      this.#timer = setTimeout(() => void this.#restart(next), delay)
    })
    try {
      await asReplaced(channel).call('start')
    } catch (error) {
      await thread.terminate()
      throw error
    }
    isReady = true
    onChange?.(true)
  }

  async #restart(delay: number): Promise<void> {
    if (this.#stopping) return
    this.#restarts++
    const { name, log } = this.#options
    try {
      await this.#begin(delay)
      log.warn(`${name} was replaced`)
    } catch (error) {
      log.error(`${name} could not be replaced; it is tried again`, { reason: reasonOf(error) })
      const next = Math.min(delay * 2, longestDelay)
      this.#timer = setTimeout(() => void this.#restart(next), delay)
    }
  }
}

/** The names of a type parameter's methods are not known to the compiler; those of its bound are. */
function asReplaced(channel: ThreadChannel<ReplacedSide>): ThreadChannel<ReplacedSide> {
  return channel
}
