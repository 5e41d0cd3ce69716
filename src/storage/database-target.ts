import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import type { ContentTotals } from '../metadata/metadata-store.ts'
import { connectChecked } from '../metadata/postgres/check-server.ts'
import { inspectDatabase, prepareDatabase, rememberMarked } from '../metadata/postgres/prepare-database.ts'
import { migrations } from '../metadata/postgres/migrations.ts'
import { readKeptLocation } from './bucket/kept-location.ts'
import { readTotals } from '../metadata/sqlite/snapshot-file.ts'
import { fillDatabase } from '../metadata/transfer/fill-database.ts'
import { UserError } from '../user-error.ts'
import { countPolicies } from './policy-folder.ts'
import { restoringPath, type MetadataTarget } from './metadata-target.ts'
import { ofCommand } from './open-database.ts'
import { writeMark } from './registry-mark.ts'
import type { DatabaseSettings } from './storage-engine.ts'

/** An empty database. Nothing is written to it before all of the metadata is, in one transaction. */
export async function openDatabaseTarget(
  folder: string,
  database: DatabaseSettings,
): Promise<MetadataTarget> {
  const connection = await connectChecked(database, ofCommand)
  try {
    if ((await inspectDatabase(connection)) !== undefined) throw holdsRegistry()
  } catch (error) {
    connection.close()
    throw error
  }
  // A restore that was cut off has marked the bucket with the id that the folder remembers.
  const id = readKeptLocation(folder)?.registry ?? randomUUID()
  const path = restoringPath(folder)
  let taken: { readonly totals: ContentTotals; readonly policies: number } | undefined
  return {
    owner: { id, isMarked: false },
    async take(bucket) {
      taken = { totals: readTotals(path), policies: countPolicies(path) }
      writeMark(folder, id)
      const { fresh } = await prepareDatabase(connection, { id, bucket }, migrations, async () => {
        await fillDatabase(connection, path)
        if (bucket !== undefined) await rememberMarked(connection)
      })
      if (!fresh) throw holdsRegistry()
      rmSync(path)
    },
    totals: () => known(taken).totals,
    policies: () => ({ count: known(taken).policies, folder: undefined }),
    close: () => connection.close(),
  }
}

function known<Value>(taken: Value | undefined): Value {
  if (taken === undefined) throw new Error('nothing was taken yet')
  return taken
}

function holdsRegistry(): UserError {
  return new UserError('DATABASE_NOT_EMPTY', 'the database holds a registry already', {
    hint: 'Restore into an empty database: create database trow, and name that with --database.',
  })
}
