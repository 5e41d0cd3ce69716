import type { Answer, Connection } from '../../../src/metadata/postgres/connection.ts'
import type { Statement, Values } from '../../../src/metadata/rules/bind.ts'

interface Flight {
  readonly answers: Promise<unknown>[]
  readonly landed: Promise<void>
}

/**
 * Counts the flights of a change: how often the client waits for an answer before it sends more. The server seems to
 * be far away: the answers to all that is sent in one flight arrive together. Instead of a COMMIT it rolls back, so
 * that every change meets the same content.
 */
export class FlightCounter {
  readonly #inner: Connection
  #flight: Flight | undefined
  statements = 0
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
    this.#flight ??= this.#begin()
    this.#flight.answers.push(answer)
    await this.#flight.landed
    return answer
  }

  #begin(): Flight {
    this.flights += 1
    const answers: Promise<unknown>[] = []
    const land = async (): Promise<void> => {
      await new Promise(setImmediate)
      await Promise.allSettled(answers)
      this.#flight = undefined
    }
    return { answers, landed: land() }
  }
}
