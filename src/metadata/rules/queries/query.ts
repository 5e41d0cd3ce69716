import {
  createQueryId,
  DummyDriver,
  Kysely,
  PostgresQueryCompiler,
  sql,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type Compilable,
  type CompiledQuery,
  type Expression,
  type LimitNode,
  type OperationNodeSource,
  type RawBuilder,
  type RawNode,
  type RootOperationNode,
} from 'kysely'
import { Parameter, type SqlValue, type Statement } from '../bind.ts'
import type { Schema } from './schema.ts'

/** A parameter of a query: its value is given at each run. */
export function parameter<T>(name: string): T {
  return new Parameter(name) as unknown as T
}

/** Builds queries; it has no connection and runs none. */
export function queryBuilder(): Kysely<Schema> {
  return new Kysely<Schema>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteCompiler(),
    },
  })
}

class SqliteCompiler extends SqliteQueryCompiler {
  /**
   * SQLite prepares a statement again whenever a bare LIMIT parameter is bound; an expression avoids this.
   */
  protected override visitLimit(node: LimitNode): void {
    super.visitLimit(node)
    this.append(' + 0')
  }
}

class PostgresCompiler extends PostgresQueryCompiler {
  protected override visitRaw(node: RawNode): void {
    super.visitRaw((node as RawNodeOfTwo).postgres ?? node)
  }
}

interface RawNodeOfTwo extends RawNode {
  readonly postgres?: RawNode
}

/** A fragment that SQLite and PostgreSQL write differently. */
export function either<T>(sqlite: RawBuilder<T>, postgres: RawBuilder<T>): RawBuilder<T> {
  const both: RawNodeOfTwo = { ...rawNode(sqlite), postgres: rawNode(postgres) }
  const expression: Expression<T> = { expressionType: undefined, toOperationNode: () => both }
  return sql<T>`${expression}`
}

function rawNode(builder: RawBuilder<unknown>): RawNode {
  return builder.toOperationNode() as RawNode
}

/** A parameter where PostgreSQL cannot tell its type. */
export function typed<T>(name: string, type: 'bigint' | 'text'): RawBuilder<T> {
  const value = parameter<T>(name)
  return either(sql<T>`${value}`, sql<T>`cast(${value} as ${sql.raw(type)})`)
}

/**
 * The texts of the query for both engines; `npm run statements` gives them a name. `id`: the query inserts
 * one row whose id the caller needs (`told`), or has given to it (`given`); SQLite tells it in any case.
 */
export function compile<Row>(
  query: Compilable<Row> & OperationNodeSource,
  { id }: { readonly id?: 'told' | 'given' } = {},
): Statement<Row> {
  const sqlite = query.compile()
  const node = query.toOperationNode() as RootOperationNode
  const postgres: CompiledQuery = new PostgresCompiler().compileQuery(node, createQueryId())
  return {
    sql: sqlite.sql,
    values: valuesOf(sqlite),
    postgres: {
      name: '',
      sql: withId(postgres.sql, id),
      values: valuesOf(postgres),
    },
  }
}

function withId(sql: string, id: 'told' | 'given' | undefined): string {
  if (id === 'told') return `${sql} returning "id"`
  // PostgreSQL generates ids always, unless told otherwise.
  return id === 'given' ? sql.replace(') values (', ') overriding system value values (') : sql
}

function valuesOf({ parameters }: CompiledQuery): readonly (Parameter | SqlValue)[] {
  return parameters as readonly (Parameter | SqlValue)[]
}
