import {
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type Compilable,
  type CompiledQuery,
  type LimitNode,
} from 'kysely'
import type { Schema } from './schema.ts'

export type SqlValue = string | number | Uint8Array | null | undefined

/** A query that is written and compiled once; values are given by name when it runs. */
export interface Statement<Row> {
  readonly sql: string
  /** In the order of the placeholders: a value's name, or a constant of the query. */
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

/** Stands in a query for a value that is given when it runs. */
export function parameter<T>(name: string): T {
  return new Parameter(name) as unknown as T
}

/** Builds queries for SQLite and runs none. */
export function sqliteQueries(): Kysely<Schema> {
  return new Kysely<Schema>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new QueryCompiler(),
    },
  })
}

class QueryCompiler extends SqliteQueryCompiler {
  /** SQLite plans a statement anew each time that a bare parameter of LIMIT is bound; an expression it takes as it is. */
  protected override visitLimit(node: LimitNode): void {
    super.visitLimit(node)
    this.append(' + 0')
  }
}

export function compile<Row>(query: Compilable<Row>): Statement<Row> {
  const compiled: CompiledQuery = query.compile()
  return { sql: compiled.sql, values: compiled.parameters as readonly (Parameter | SqlValue)[] }
}

/** The values of one run, in the order of the placeholders. */
export function bind(statement: Statement<unknown>, values: Readonly<Record<string, SqlValue>>): SqlValue[] {
  return statement.values.map((value) => {
    const given = value instanceof Parameter ? values[value.name] : value
    return given === undefined ? null : given
  })
}
