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
import { Parameter, type SqlValue, type Statement } from '../bind.ts'
import type { Schema } from './schema.ts'

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
