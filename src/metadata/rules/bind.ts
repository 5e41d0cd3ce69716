export type SqlValue = string | number | Uint8Array | null | undefined

/** Values of one run, by parameter name. */
export type Values = Readonly<Record<string, SqlValue>>

/** A query that is compiled once; its values are given by name at each run. */
export interface Statement<Row> {
  readonly sql: string
  /** For each `?` in order: the parameter, or a constant of the query. */
  readonly values: readonly (Parameter | SqlValue)[]
  /** Undefined: the statement is SQLite's alone. */
  readonly postgres?: PostgresText
  /** Only carries the row's type; never set at run time. */
  readonly row?: Row
}

/** The same query for PostgreSQL. */
export interface PostgresText {
  /** Unique among all statements: the name under which a connection prepares it. */
  readonly name: string
  /** With `$1`, `$2` and so on. */
  readonly sql: string
  /** Where they differ from those for SQLite. */
  readonly values?: readonly (Parameter | SqlValue)[]
}

export class Parameter {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/** Returns the values of one run, for each `?` in order. */
export function bind(statement: Statement<unknown>, values: Values): SqlValue[] {
  return bindValues(statement.values, values)
}

export function bindValues(placed: Statement<unknown>['values'], values: Values): SqlValue[] {
  return placed.map((value) => {
    const given = value instanceof Parameter ? values[value.name] : value
    return given === undefined ? null : given
  })
}
