import type { Connection } from './connection.ts'
import type { Link } from './link.ts'
import { ownStatement } from './own-statement.ts'

/** Milliseconds between two looks, and how old a snapshot is when the log below it goes. */
const interval = 60_000
const age = 600_000

const forgetBelow = ownStatement(
  'forgetBelow',
  'with floor as (update change_log_floor set floor = $1::xid8) delete from change_log where xid < $1::xid8',
  ['floor'],
)

/**
 * Deletes rows of the change log that no process needs. It goes by snapshots and not by the clock: what is
 * below the oldest transaction of a snapshot that was taken ten minutes ago is visible to everybody since
 * then. A process that has not looked for so long finds its place below the floor, and empties its caches.
 */
export class LogPruner {
  readonly #link: Link
  readonly #seen: { readonly at: number; readonly xmin: string }[] = []
  readonly #timer: NodeJS.Timeout

  constructor(link: Link) {
    this.#link = link
    this.#timer = setInterval(() => void this.prune(performance.now()), interval)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** `now`: milliseconds of a clock that never goes back. */
  async prune(now: number): Promise<void> {
    try {
      await this.#link.use(async (connection) => {
        this.#seen.push({ at: now, xmin: await xminOf(connection) })
        const old = this.#seen.findLastIndex(({ at }) => at <= now - age)
        const floor = this.#seen[old]?.xmin
        if (floor === undefined) return
        await connection.ask(forgetBelow, { floor })
        this.#seen.splice(0, old + 1)
      })
    } catch {
      // The server is away: the next look comes.
    }
  }
}

async function xminOf(connection: Connection): Promise<string> {
  const { rows } = await connection.run<{ xmin: string }>(
    'select pg_snapshot_xmin(pg_current_snapshot())::text as xmin',
  )
  return rows[0]?.xmin ?? '0'
}
