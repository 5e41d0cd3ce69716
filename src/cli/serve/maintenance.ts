import type { Worker } from 'node:worker_threads'
import type { Log } from '../../log.ts'
import { ended, firstMessage, startThread } from './threads.ts'
import type {
  MaintenanceOrder,
  MaintenanceReport,
  MaintenanceStart,
  MaintenanceTotals,
} from './thread-protocol.ts'

/** The thread that collects garbage and answers the control socket; main's side of it. */
export class Maintenance {
  readonly #thread: Worker
  #lastId = 0

  private constructor(thread: Worker) {
    this.#thread = thread
  }

  static async start(start: MaintenanceStart, log: Log): Promise<Maintenance> {
    const thread = startThread('maintenance-thread', start, [start.writer])
    const ready = firstMessage(thread, (report: MaintenanceReport) =>
      report.kind === 'ready' ? true : undefined,
    )
    thread.on('error', (error) => {
      log.error('maintenance has ended: no garbage is collected until the next start', {
        stack: (error as Error).stack,
      })
    })
    await ready
    return new Maintenance(thread)
  }

  async totals(): Promise<MaintenanceTotals | undefined> {
    const id = ++this.#lastId
    const answer = firstMessage(this.#thread, (report: MaintenanceReport) =>
      report.kind === 'totals' && report.id === id ? report.totals : undefined,
    )
    this.#tell({ kind: 'totals', id })
    return answer.catch(() => undefined)
  }

  async stop(): Promise<void> {
    const gone = ended(this.#thread)
    this.#tell({ kind: 'stop' })
    await gone
  }

  #tell(order: MaintenanceOrder): void {
    this.#thread.postMessage(order)
  }
}
