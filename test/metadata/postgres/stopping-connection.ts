import type { Answer, Connection } from '../../../src/metadata/postgres/connection.ts'
import type { Statement, Values } from '../../../src/metadata/rules/bind.ts'

/** A connection that stops before one of its statements, and may take no locks. */
export class StoppingConnection {
  readonly #inner: Connection
  readonly #locks: boolean
  readonly stopped = Promise.withResolvers<void>()
  readonly go = Promise.withResolvers<void>()
  readonly #stopAt: number
  #isHeld = false
  asked = 0

  constructor(inner: Connection, locks: boolean, stopAt: number) {
    this.#inner = inner
    this.#locks = locks
    this.#stopAt = stopAt
    void this.go.promise.then(() => (this.#isHeld = false))
  }

  ask<Row>(statement: Statement<Row>, values: Values): Promise<Answer<Row>> {
    if (this.asked++ === this.#stopAt) {
      this.#isHeld = true
      this.stopped.resolve()
    }
    return this.#inTurn(() => this.#inner.ask(statement, values))
  }

  run(text: string, values?: readonly unknown[], name?: string): ReturnType<Connection['run']> {
    if (!this.#locks && name === 'postgres.lock') return this.#inTurn(() => this.#inner.run('select 1'))
    return this.#inTurn(() => this.#inner.run(text, values, name))
  }

  /** What is sent while the connection is stopped goes on after it, in the order in which it was sent. */
  async #inTurn<Result>(send: () => Promise<Result>): Promise<Result> {
    if (this.#isHeld) await this.go.promise
    return send()
  }
}
