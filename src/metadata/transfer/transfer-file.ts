import { Parameter, type Statement } from '../rules/bind.ts'
import { migrate } from '../sqlite/migrations.ts'
import { makeOwnerOnly } from '../sqlite/owner-only.ts'
import { SqliteDatabase } from '../sqlite/sqlite-database.ts'
import { keyOf, pageOf, type MovedRow, type MovedTable } from './moved-tables.ts'

/** A file of SQLite with the schema of this program, between two engines. */
export class TransferFile {
  readonly #database: SqliteDatabase
  readonly #inserts = new Map<string, Statement<unknown>>()

  /** The file is not flushed: a process that dies leaves one of no use. */
  static create(path: string): TransferFile {
    makeOwnerOnly(path)
    const database = new SqliteDatabase(path)
    // As in a data folder; takes effect only before the first table is created.
    database.execute('pragma auto_vacuum=INCREMENTAL')
    database.execute('pragma journal_mode=OFF')
    database.execute('pragma synchronous=OFF')
    migrate(database, path)
    database.execute('begin')
    return new TransferFile(database)
  }

  /** Brings the file to this program's schema. Throws UserError SCHEMA_NEWER. */
  static open(path: string): TransferFile {
    const database = new SqliteDatabase(path)
    try {
      migrate(database, path)
    } catch (error) {
      database.close()
      throw error
    }
    return new TransferFile(database)
  }

  private constructor(database: SqliteDatabase) {
    this.#database = database
  }

  columnsOf(table: string): readonly string[] {
    const statement = plain<{ name: string }>('select name from pragma_table_info(?)', ['table'])
    return this.#database.all(statement, { table }).map(({ name }) => name)
  }

  add(table: string, columns: readonly string[], rows: readonly MovedRow[]): void {
    let insert = this.#inserts.get(table)
    if (insert === undefined) {
      const values = columns.map(() => '?').join(', ')
      insert = plain(`insert into ${table} (${columns.join(', ')}) values (${values})`, columns)
      this.#inserts.set(table, insert)
    }
    for (const row of rows) this.#database.run(insert, row)
  }

  /** Rows with a key after `after`; undefined: the first ones. */
  page(table: MovedTable, columns: readonly string[], after: MovedRow | undefined): readonly MovedRow[] {
    const text = pageOf(table, columns, () => '?', after !== undefined)
    const key = after === undefined ? [] : keyOf(table, after)
    const values = Object.fromEntries(key.map((value, index) => [String(index), value]))
    return this.#database.all(plain<MovedRow>(text, Object.keys(values)), values)
  }

  /** The largest id that the table has ever given. */
  lastId(table: string): number {
    const statement = plain<{ seq: number }>('select seq from sqlite_sequence where name = ?', ['table'])
    return this.#database.get(statement, { table })?.seq ?? 0
  }

  /** The next row of the table gets a larger id. */
  continueAfter(table: string, last: number): void {
    const values = { table, last }
    this.#database.run(plain('delete from sqlite_sequence where name = ?', ['table']), values)
    this.#database.run(
      plain('insert into sqlite_sequence (name, seq) values (?, ?)', ['table', 'last']),
      values,
    )
  }

  commit(): void {
    this.#database.execute('commit')
  }

  close(): void {
    this.#database.close()
  }
}

function plain<Row>(sql: string, names: readonly string[]): Statement<Row> {
  return { sql, values: names.map((name) => new Parameter(name)) }
}
