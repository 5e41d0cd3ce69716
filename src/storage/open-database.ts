import { openStoresWith } from './local-stores.ts'
import { resolve } from 'node:path'
import { Generations } from '../metadata/cache/generations.ts'
import { connectChecked } from '../metadata/postgres/check-server.ts'
import { connectOptions } from '../metadata/postgres/connect-options.ts'
import type { Connection } from '../metadata/postgres/connection.ts'
import { openPostgresMetadata } from '../metadata/postgres/postgres-metadata-store.ts'
import {
  inspectDatabase,
  prepareDatabase,
  rememberMarked,
  type StoredRegistry,
} from '../metadata/postgres/prepare-database.ts'
import { removeStaleSnapshots } from '../metadata/sqlite/snapshot-file.ts'
import { UserError } from '../user-error.ts'
import { randomUUID } from 'node:crypto'
import { openFolder } from './data-folder.ts'
import type { ContentOwner, OpenedContent } from './content-engine.ts'
import { namedContent, openContent } from './open-content.ts'
import { connectionBudget, PostgresEngine } from './postgres-engine.ts'
import {
  checkContent,
  checkFolder,
  makeMark,
  otherDatabase,
  readMark,
  removeMark,
  writeMark,
} from './registry-mark.ts'
import type { DatabaseSettings, Engines, LocalStores, StorageSettings } from './storage-engine.ts'

/** Connections of a command: for reads, for changes, and for a backup. */
export const ofCommand = 3

/**
 * Opens a registry whose metadata is in PostgreSQL. Where its blobs are in a bucket it is shared: any number of
 * processes have it open, each with a folder of its own. Checks everything before anything is written that stays.
 * Throws UserError, also as `openContent`.
 */
export async function openDatabase(
  settings: StorageSettings,
  database: DatabaseSettings,
  { existing }: { readonly existing: boolean },
): Promise<Engines> {
  const opened = { ...settings, folder: resolve(settings.folder) }
  const { workers } = database
  const needed = workers === 0 ? ofCommand : connectionBudget(workers)
  const connection = await connectChecked(database, needed)
  try {
    const registry = await inspectDatabase(connection)
    if (existing && registry === undefined) {
      throw new UserError('NO_REGISTRY', 'the database holds no registry', {
        hint: 'Name the database of the registry with --database.',
      })
    }
    const content = await openChecked(opened, connection, registry)
    try {
      const { pooler } = connection
      return await openBoth({ settings: opened, database: { ...database, pooler }, content }, connection)
    } catch (error) {
      await content.close()
      throw error
    }
  } finally {
    connection.close()
  }
}

async function openChecked(
  settings: StorageSettings,
  connection: Connection,
  registry: StoredRegistry | undefined,
): Promise<OpenedContent> {
  checkFolder(settings.folder, registry)
  if (registry !== undefined) checkContent(settings.folder, registry, await namedContent(settings))
  try {
    return await openContent(settings, registry && ownerOf(registry))
  } catch (error) {
    // Another process may have made the registry since the look at the empty database: the marker is its own.
    const made = registry === undefined ? await inspectDatabase(connection) : undefined
    if (made === undefined) throw error
    return openChecked(settings, connection, made)
  }
}

interface Places {
  readonly settings: StorageSettings
  readonly database: DatabaseSettings
  readonly content: OpenedContent
}

async function openBoth(places: Places, connection: Connection): Promise<Engines> {
  const { settings, database, content } = places
  const { folder } = settings
  const lock = openFolder(folder)
  const isShared = content.place === 'bucket'
  try {
    removeStaleSnapshots(folder)
    const { fresh, registry } = await (isShared
      ? prepareShared(places, connection)
      : prepare(places, connection))
    // After the database: a bucket that was claimed always has a registry in it.
    await content.claim(ownerOf(registry))
    if (registry.bucket?.isMarked === false) await rememberMarked(connection)
    return {
      fresh,
      isShared,
      content: content.place,
      place: content.name,
      warnings: warningsOf(database),
      serve: (options) => new PostgresEngine(settings, database, options, content.serve(settings, options)),
      openStores: () => openStores(places),
      async close() {
        await content.close()
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

function warningsOf({ pooler }: DatabaseSettings): readonly string[] {
  if (pooler !== 'unnamed') return []
  return [
    'a pooler without prepared statements stands before PostgreSQL, which plans each statement anew and takes several times as long: use pool_mode=session, or PgBouncer 1.21 or later with max_prepared_statements',
  ]
}

type Prepared = ReturnType<typeof prepareDatabase>

/** The mark is there before the database is: a start that is cut off between them can be repeated. */
async function prepare({ settings: { folder }, content }: Places, connection: Connection): Prepared {
  const isNew = readMark(folder) === undefined
  const id = makeMark(folder)
  const prepared = await prepareDatabase(connection, { id })
  // Another process, with another folder, may have made its registry in the database since the look at it.
  if (prepared.registry.id !== id) {
    if (isNew) removeMark(folder)
    throw otherDatabase(folder, isNew ? undefined : id)
  }
  checkContent(folder, prepared.registry, content)
  return prepared
}

/** Several processes may make the registry at once: it is the one of the first, and all folders are marked so. */
async function prepareShared({ settings: { folder }, content }: Places, connection: Connection): Prepared {
  const prepared = await prepareDatabase(connection, { id: randomUUID(), bucket: content.name })
  checkContent(folder, prepared.registry, content)
  writeMark(folder, prepared.registry.id)
  return prepared
}

function ownerOf({ id, bucket }: StoredRegistry): ContentOwner {
  return { id, isMarked: bucket?.isMarked === true }
}

async function openStores({ settings, database, content }: Places): Promise<LocalStores> {
  const metadata = openPostgresMetadata({
    connect: () => connectOptions(database),
    lanes: 1,
    generations: new Generations(),
    cacheBytes: 16 * 1024 * 1024,
    holder: randomUUID(),
    folder: settings.folder,
  })
  return openStoresWith(metadata, { settings, content })
}
