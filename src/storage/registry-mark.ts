import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StoredRegistry } from '../metadata/postgres/prepare-database.ts'
import { databasePath } from '../metadata/sqlite/sqlite-file.ts'
import { UserError } from '../user-error.ts'
import { isInBucket } from './bucket/kept-location-name.ts'
import type { ContentName } from './content-engine.ts'

/** Names the registry whose metadata is in a database, and to which the folder belongs. */
const markName = 'database-id'

export function readMark(folder: string): string | undefined {
  const path = join(folder, markName)
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}

/** Returns the id that is stored in the folder now: the one that was there, else a new one. */
export function makeMark(folder: string): string {
  const mark = readMark(folder) ?? randomUUID()
  writeMark(folder, mark)
  return mark
}

export function writeMark(folder: string, id: string): void {
  writeFileSync(join(folder, markName), `${id}\n`, { mode: 0o600, flush: true })
}

export function removeMark(folder: string): void {
  rmSync(join(folder, markName))
}

/** Throws UserError OTHER_ENGINE if the metadata that belongs to the folder is in a database. */
export function checkNoDatabase(folder: string): void {
  if (readMark(folder) === undefined) return
  throw new UserError(
    'OTHER_ENGINE',
    `${folder} belongs to a registry whose metadata is in PostgreSQL, and holds none itself`,
    {
      hint: 'Name its database with --database, or another folder with --data.',
    },
  )
}

/** Throws UserError OTHER_ENGINE if the folder holds metadata of its own. */
export function checkNoMetadata(folder: string): void {
  if (!existsSync(databasePath(folder))) return
  throw new UserError('OTHER_ENGINE', `${folder} holds a registry whose metadata is in the folder itself`, {
    hint: 'Leave out --database, or name a new folder with --data.',
  })
}

/**
 * The registry in the database and the folder belong together. A registry with a bucket keeps nothing in a
 * folder: any folder that belongs to no other joins it. `registry` undefined: the database is empty. Throws
 * UserError as `checkNoMetadata`, and OTHER_DATABASE.
 */
export function checkFolder(folder: string, registry: StoredRegistry | undefined): void {
  checkNoMetadata(folder)
  const mark = readMark(folder)
  if (registry === undefined) {
    if (mark !== undefined && hasBlobs(folder)) throw otherDatabase(folder, mark)
  } else if (mark === undefined ? registry.bucket === undefined : mark !== registry.id) {
    throw otherDatabase(folder, mark)
  }
}

/** Throws UserError S3_OTHER_BUCKET or OTHER_DATABASE if the blobs of the registry are elsewhere. */
export function checkContent(folder: string, { bucket }: StoredRegistry, { place, name }: ContentName): void {
  if (bucket?.name === (place === 'bucket' ? name : undefined)) return
  if (bucket === undefined) throw otherDatabase(folder, undefined)
  throw new UserError(
    'S3_OTHER_BUCKET',
    `the blobs of the registry in the database are in ${bucket.name}, not in ${name}`,
    { hint: 'Name that bucket with --s3, and its server with --s3-endpoint.' },
  )
}

export function otherDatabase(folder: string, mark: string | undefined): UserError {
  return new UserError(
    'OTHER_DATABASE',
    mark === undefined
      ? `${folder} does not hold the blobs of the registry in the database`
      : `${folder} belongs to a registry in another database`,
    {
      hint: 'Name the folder and the database that belong together, with --data and --database. Several processes serve one registry only where its blobs are in a bucket (--s3).',
    },
  )
}

function hasBlobs(folder: string): boolean {
  const blobs = join(folder, 'blobs')
  return isInBucket(folder) || (existsSync(blobs) && readdirSync(blobs).length > 0)
}
