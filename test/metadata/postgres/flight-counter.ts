import type { Answer, Connection } from '../../../src/metadata/postgres/connection.ts'
import type { Statement, Values } from '../../../src/metadata/rules/bind.ts'

/**
 * Counts the flights of a change: how often the client waits for an answer before it sends more. The server
 * answers in the order in which it was asked. Instead of a COMMIT it rolls back, so that every change meets the
 * same content.
 */
export class FlightCounter {
  readonly #inner: Connection
  statements = 0
  /** The last flight of which an answer has arrived. */
  flights = 0

  constructor(inner: Connection) {
    this.#inner = inner
  }

  ask<Row>(statement: Statement<Row>, values: Values): Promise<Answer<Row>> {
    return this.#counted(this.#inner.ask(statement, values))
  }

  run(text: string, values?: readonly unknown[], name?: string): ReturnType<Connection['run']> {
    if (text !== 'commit') return this.#counted(this.#inner.run(text, values, name))
    const ended = this.#inner.run('rollback').then((answer) => ({ ...answer, command: 'COMMIT' }))
    return this.#counted(ended)
  }

  async #counted<Result>(answer: Promise<Result>): Promise<Result> {
    this.statements += 1
    const flight = this.flights + 1
    try {
      return await answer
    } finally {
      this.flights = Math.max(this.flights, flight)
    }
  }
}
