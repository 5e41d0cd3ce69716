import { StatementSync } from 'node:sqlite'

const methods = ['get', 'all', 'run', 'iterate'] as const

/** What the statements of all SQLite connections of this thread come to, from `begin` on. */
export class StatementCount {
  statements = 0
  /** Of texts and bytes that came back. */
  bytes = 0
  /** Rows that carried the body of a manifest. */
  bodies = 0
  /** Statements, with rows that came back or were changed, between two rounds of the event loop. */
  mostInTurn = 0
  #turn = 0
  readonly #undo: (() => void)[] = []

  static begin(): StatementCount {
    const count = new StatementCount()
    for (const name of methods) count.#watch(name)
    return count
  }

  end(): this {
    for (const undo of this.#undo) undo()
    return this
  }

  #watch(name: (typeof methods)[number]): void {
    const original = StatementSync.prototype[name] as (...values: unknown[]) => unknown
    const add = (result: unknown): unknown => this.#add(name, result)
    Object.assign(StatementSync.prototype, {
      [name](this: StatementSync, ...values: unknown[]) {
        return add(original.apply(this, values))
      },
    })
    this.#undo.push(() => Object.assign(StatementSync.prototype, { [name]: original }))
  }

  #add(name: string, result: unknown): unknown {
    this.statements++
    this.#work(1)
    if (name === 'iterate') return this.#rows(result as Iterable<object>)
    if (name === 'run') this.#work(Number((result as { changes: number }).changes))
    else for (const row of name === 'all' ? (result as object[]) : [result]) this.#row(row as object)
    return result
  }

  *#rows(rows: Iterable<object>): Generator<object> {
    for (const row of rows) {
      this.#row(row)
      yield row
    }
  }

  #row(row: object | undefined): void {
    if (row === undefined) return
    this.#work(1)
    if ('body' in row) this.bodies++
    for (const value of Object.values(row) as unknown[]) {
      if (typeof value === 'string') this.bytes += value.length
      else if (value instanceof Uint8Array) this.bytes += value.byteLength
    }
  }

  #work(rows: number): void {
    if (this.#turn === 0) setImmediate(() => (this.#turn = 0))
    this.#turn += rows
    this.mostInTurn = Math.max(this.mostInTurn, this.#turn)
  }
}
