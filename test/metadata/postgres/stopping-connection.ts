import type { Connection } from '../../../src/metadata/postgres/connection.ts'
import type { Statement, Values } from '../../../src/metadata/rules/bind.ts'

/** A connection that stops before one of its statements, and may take no locks. */
export class StoppingConnection {
  readonly #inner: Connection
  readonly #locks: boolean
  readonly stopped = Promise.withResolvers<void>()
  readonly go = Promise.withResolvers<void>()
  #stopAt: number
  asked = 0

  constructor(inner: Connection, locks: boolean, stopAt: number) {
    this.#inner = inner
    this.#locks = locks
    this.#stopAt = stopAt
  }

  async ask<Row>(statement: Statement<Row>, values: Values): ReturnType<Connection['ask']> {
    if (this.asked++ === this.#stopAt) {
      this.stopped.resolve()
      await this.go.promise
    }
    return this.#inner.ask(statement, values)
  }

  run(text: string, values?: readonly unknown[], name?: string): ReturnType<Connection['run']> {
    if (!this.#locks && name === 'postgres.lock') return this.#inner.run('select 1')
    return this.#inner.run(text, values, name)
  }
}
