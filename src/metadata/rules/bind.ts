export type SqlValue = string | number | Uint8Array | null | undefined

/** Of one run, by name. */
export type Values = Readonly<Record<string, SqlValue>>

/** A query that is written and compiled once; values are given by name when it runs. */
export interface Statement<Row> {
  readonly sql: string
  /** For each `?` in turn: a value's name, or a constant of the query. */
  readonly values: readonly (Parameter | SqlValue)[]
  /** Never there at run time: carries the row's type. */
  readonly row?: Row
}

export class Parameter {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/** The values of one run, for each `?` in turn. */
export function bind(statement: Statement<unknown>, values: Values): SqlValue[] {
  return statement.values.map((value) => {
    const given = value instanceof Parameter ? values[value.name] : value
    return given === undefined ? null : given
  })
}
