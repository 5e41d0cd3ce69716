import { setTimeout as sleep } from 'node:timers/promises'
import { OciError } from '../../oci/oci-error.ts'
import { endsConnection, isAway, isFull, isTooSlow, sqlState, Standby } from './connection-errors.ts'
import { Connection, type ConnectionOptions } from './connection.ts'

/** Milliseconds for which a request waits for a server that restarts. */
export const patience = 5000

/** A connection that is opened when it is needed, and opened again when it breaks. */
export class Link {
  readonly #options: () => ConnectionOptions
  #opening: Promise<Connection> | undefined
  #open: Connection | undefined
  #isClosed = false

  constructor(options: () => ConnectionOptions) {
    this.#options = options
  }

  async connection(): Promise<Connection> {
    if (this.#open?.isOpen) return this.#open
    this.#opening ??= this.#connect().finally(() => (this.#opening = undefined))
    return this.#opening
  }

  /** Uses the connection, and drops it if an error says that it is of no use. */
  async use<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    const connection = await this.connection()
    try {
      return await work(connection)
    } catch (error) {
      const reason = await explained(connection, error)
      if (endsConnection(reason) || !connection.isOpen) this.#drop(connection)
      throw reason
    }
  }

  /** Like `use` for work that may be repeated: waits for a server that is away, up to `patience`. */
  async repeat<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    const until = performance.now() + patience
    for (;;) {
      try {
        return await this.use(work)
      } catch (error) {
        if (!isAway(error) || performance.now() >= until || this.#isClosed) throw asRefusal(error)
        await pause()
      }
    }
  }

  #drop(connection: Connection): void {
    if (this.#open === connection) this.#open = undefined
    connection.close()
  }

  close(): void {
    this.#isClosed = true
    this.#open?.close()
    this.#open = undefined
  }

  async #connect(): Promise<Connection> {
    const connection = await Connection.open(this.#options())
    if (this.#isClosed) connection.close()
    else this.#open = connection
    return connection
  }
}

/** A standby refuses tables that are not logged in words that have other meanings, too. */
async function explained(connection: Connection, error: unknown): Promise<unknown> {
  if (sqlState(error) !== '0A000') return error
  const { rows } = await connection.run<{ recovering: number }>('select pg_is_in_recovery() as recovering')
  return rows[0]?.recovering === 1 ? new Standby() : error
}

/** Waits a random time, so that those who wait for the same thing do not come back together. */
export async function pause(most = 200): Promise<void> {
  await sleep(10 + Math.random() * most)
}

/** Whether a client was told that the server is away. */
export function isRefusal(error: unknown): boolean {
  return error instanceof OciError && error.code === 'UNAVAILABLE'
}

/** What a client is told of an error of the server. */
export function asRefusal(error: unknown): unknown {
  if (isAway(error) || isTooSlow(error)) {
    return new OciError('UNAVAILABLE', 'the registry has no database now', {
      detail: 'its PostgreSQL does not answer; try again in a moment',
      cause: error,
    })
  }
  if (isFull(error)) {
    return new OciError('STORAGE_FULL', 'the registry has no room left', {
      detail:
        'the disk of its PostgreSQL is full: delete what is not needed, or give it more room, and try again',
      cause: error,
    })
  }
  return error
}
