import { UserError } from '../../user-error.ts'
import { migrationKey } from './advisory-locks.ts'
import type { Connection } from './connection.ts'
import { migrations, type Migration } from './migrations.ts'
import { ownStatement } from './own-statement.ts'

/** Settings of the database that say whose it is, where the blobs are, and that the bucket is marked. */
const idSetting = 'registry-id'
const bucketSetting = 'bucket'
const markedSetting = 'bucket-marked'

/** The registry in a database. */
export interface StoredRegistry {
  readonly id: string
  /** Where its blobs are; undefined: in one folder. */
  readonly bucket: StoredBucket | undefined
}

export interface StoredBucket {
  /** `s3://bucket/prefix`. */
  readonly name: string
  /** False: no start has come so far as to mark the bucket. */
  readonly isMarked: boolean
}

interface Found {
  readonly hasSchema: boolean
  readonly tables: number
}

/**
 * Brings the database to this program's schema. Several processes may do this at once: one does, the others
 * wait. An empty database becomes that of a registry `made`, and in the same transaction `fill` puts content into its
 * tables. Resolves to the registry that it holds now. Throws
 * UserError as `inspectDatabase` does, and has then written nothing.
 */
export async function prepareDatabase(
  connection: Connection,
  made: { readonly id: string; readonly bucket?: string | undefined },
  steps: readonly Migration[] = migrations,
  fill?: () => Promise<void>,
): Promise<{ readonly fresh: boolean; readonly registry: StoredRegistry }> {
  await connection.run('begin')
  try {
    await connection.run('select pg_advisory_xact_lock($1::bigint)', [migrationKey])
    const fresh = await migrate(connection, steps)
    await forgetOtherTimes(connection)
    if (fresh) {
      await addSetting(connection, idSetting, made.id)
      if (made.bucket !== undefined) await addSetting(connection, bucketSetting, made.bucket)
      await fill?.()
    }
    const registry = await readRegistry(connection)
    await connection.run('commit')
    return { fresh, registry }
  } catch (error) {
    await connection.run('rollback').catch(() => {})
    throw error
  }
}

/**
 * The registry in the database; undefined: it is empty. Changes nothing. Throws UserError DATABASE_NOT_EMPTY or
 * SCHEMA_NEWER.
 */
export async function inspectDatabase(connection: Connection): Promise<StoredRegistry | undefined> {
  return (await hasRegistry(connection, migrations.length)) ? readRegistry(connection) : undefined
}

/** Remembers that the bucket of the registry is marked: without its marker it is another one from now on. */
export async function rememberMarked(connection: Connection): Promise<void> {
  await addSetting(connection, markedSetting, 'yes')
}

async function addSetting(connection: Connection, name: string, value: string): Promise<void> {
  await connection.run('insert into setting (name, value) values ($1, $2) on conflict do nothing', [
    name,
    value,
  ])
}

async function readRegistry(connection: Connection): Promise<StoredRegistry> {
  const { rows } = await connection.run<{ name: string; value: string }>(
    'select name, value from setting where name = any($1)',
    [[idSetting, bucketSetting, markedSetting]],
  )
  const settings = new Map(rows.map(({ name, value }) => [name, value]))
  const bucket = settings.get(bucketSetting)
  return {
    id: settings.get(idSetting) ?? '',
    bucket: bucket === undefined ? undefined : { name: bucket, isMarked: settings.has(markedSetting) },
  }
}

async function migrate(connection: Connection, steps: readonly Migration[]): Promise<boolean> {
  const fresh = !(await hasRegistry(connection, steps.length))
  if (fresh) {
    await connection.run(
      'create table trow_schema (version integer not null, oldest_program integer not null)',
    )
    await connection.run('insert into trow_schema (version, oldest_program) values (0, 0)')
  }
  const { version } = await versions(connection)
  for (const [index, step] of steps.entries()) {
    if (index < version) continue
    await connection.run(step.sql)
    await connection.run(
      'update trow_schema set version = $1, oldest_program = greatest(oldest_program, $2)',
      [index + 1, step.oldestProgram ?? 1],
    )
  }
  return fresh
}

async function hasRegistry(connection: Connection, known: number): Promise<boolean> {
  const { hasSchema, tables } = await find(connection)
  if (!hasSchema && tables > 0) {
    throw new UserError('DATABASE_NOT_EMPTY', 'the database holds tables of something else', {
      hint: 'Make a database of its own for the registry (create database trow), and name that with --database.',
    })
  }
  if (!hasSchema) return false
  const { version, oldestProgram } = await versions(connection)
  if (oldestProgram <= known) return true
  throw new UserError(
    'SCHEMA_NEWER',
    `the database was changed by a newer trow: its schema is version ${version}, this program knows ${known}`,
    { hint: 'Start the newer trow, or restore a backup that was made before the upgrade.' },
  )
}

async function find(connection: Connection): Promise<Found> {
  const { rows } = await connection.run<{ has: number; tables: number }>(
    `select to_regclass('trow_schema') is not null as has,
       (select count(*) from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')) as tables`,
  )
  return { hasSchema: rows[0]?.has === 1, tables: rows[0]?.tables ?? 0 }
}

async function versions(connection: Connection): Promise<{ version: number; oldestProgram: number }> {
  const { rows } = await connection.run<{ version: number; oldest: number }>(
    'select version, oldest_program as oldest from trow_schema',
  )
  return { version: rows[0]?.version ?? 0, oldestProgram: rows[0]?.oldest ?? 0 }
}

const forgetBeyond = ownStatement(
  'forgetBeyond',
  'delete from change_log where xid >= pg_snapshot_xmax(pg_current_snapshot())',
  [],
)

/** A dump that was restored into another server has numbers of transactions that are still to come there. */
async function forgetOtherTimes(connection: Connection): Promise<void> {
  await connection.ask(forgetBeyond, {})
  await connection.run(
    `update change_log_floor set floor = '0' where floor > pg_snapshot_xmin(pg_current_snapshot())`,
  )
}
