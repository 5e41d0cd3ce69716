import { ObjectConnection, type ObjectAnswer } from './object-connection.ts'

/** The connections of one thread to one server, for GETs of objects. At most `limit` are open; who finds none waits in order. */
export class ObjectConnections {
  readonly #origin: URL
  readonly #limit: number
  readonly #all = new Set<ObjectConnection>()
  /** Without a request; the last one that was used is taken first. */
  readonly #idle: ObjectConnection[] = []
  readonly #waiting: (() => void)[] = []
  #isClosed = false

  constructor(origin: string, limit: number) {
    this.#origin = new URL(origin)
    this.#limit = limit
  }

  /**
   * Resolves with the head of the answer; the caller reads its body or destroys it. Rejects if the server does not answer,
   * or with the reason of the signal.
   */
  async get(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<ObjectAnswer> {
    for (;;) {
      const connection = await this.#take(signal)
      const { isUsed } = connection
      const stop = (): void => connection.destroy()
      signal?.addEventListener('abort', stop, { once: true })
      try {
        return await connection.get(path, headers, () => this.#giveBack(connection))
      } catch (error) {
        connection.destroy()
        signal?.throwIfAborted()
        // The server closed a connection that it found unused for too long, while the request was on its way.
        if (isUsed && !connection.hasAnswered && !this.#isClosed) continue
        throw error
      } finally {
        signal?.removeEventListener('abort', stop)
      }
    }
  }

  close(): void {
    this.#isClosed = true
    for (const connection of this.#all) connection.destroy()
    for (const turn of this.#waiting.splice(0)) turn()
  }

  async #take(signal: AbortSignal | undefined): Promise<ObjectConnection> {
    for (;;) {
      signal?.throwIfAborted()
      if (this.#isClosed) throw new Error('the store is closed')
      for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop())
        if (idle.isOpen) return idle
      if (this.#all.size < this.#limit) return this.#open()
      await this.#turn(signal)
    }
  }

  #open(): ObjectConnection {
    const connection: ObjectConnection = new ObjectConnection(this.#origin, () => {
      this.#all.delete(connection)
      const at = this.#idle.indexOf(connection)
      if (at >= 0) this.#idle.splice(at, 1)
      this.#waiting.shift()?.()
    })
    this.#all.add(connection)
    return connection
  }

  #giveBack(connection: ObjectConnection): void {
    if (!connection.isOpen) return
    this.#idle.push(connection)
    this.#waiting.shift()?.()
  }

  /** Resolves when a connection may be free, or when the signal fires. */
  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const turn = (): void => {
        signal?.removeEventListener('abort', give)
        resolve()
      }
      const give = (): void => {
        const at = this.#waiting.indexOf(turn)
        if (at >= 0) this.#waiting.splice(at, 1)
        resolve()
      }
      signal?.addEventListener('abort', give, { once: true })
      this.#waiting.push(turn)
    })
  }
}
