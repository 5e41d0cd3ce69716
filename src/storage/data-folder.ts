import { accessSync, constants, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { lockFolder, type FolderLock } from '../metadata/sqlite/folder-lock.ts'
import { databasePath, openForWriting } from '../metadata/sqlite/sqlite-file.ts'
import { plainReason } from '../plain-reason.ts'
import { UserError } from '../user-error.ts'
import { checkNoDatabase } from './registry-mark.ts'
import { isUnfinished } from './restore-folder.ts'
import { makeFolder, nearestFolder } from '../new-folder.ts'

export interface DataFolder {
  readonly path: string
  readonly lock: FolderLock
  /** The folder held no registry before. */
  readonly fresh: boolean
}

/**
 * Creates, locks and migrates the folder. Throws UserError FOLDER_NOT_WRITABLE, RESTORE_UNFINISHED,
 * FOLDER_LOCKED, OTHER_ENGINE, SCHEMA_NEWER or DATABASE_UNUSABLE.
 */
export function openDataFolder(given: string): DataFolder {
  const path = resolve(given)
  checkNoDatabase(path)
  const lock = openFolder(path)
  const fresh = statSync(databasePath(path), { throwIfNoEntry: false }) === undefined
  try {
    // The writer opens the file again later; this open reports errors before any thread has started.
    openForWriting(databasePath(path)).close()
  } catch (error) {
    lock.release()
    throw error
  }
  return { path, lock, fresh }
}

/** Throws UserError FOLDER_NOT_WRITABLE if the folder cannot be used, or could not be made. Makes nothing. */
export function checkWritable(path: string): void {
  try {
    accessSync(nearestFolder(path), allRights)
  } catch (cause) {
    throw notWritable(path, cause)
  }
}

const allRights = constants.R_OK | constants.W_OK | constants.X_OK

function notWritable(path: string, cause: unknown): UserError {
  return new UserError('FOLDER_NOT_WRITABLE', `${path} cannot be written: ${plainReason(cause)}`, {
    hint: 'Choose another folder with --data, or give this user the right to write there.',
    cause,
  })
}

/** Creates and locks the folder. Throws UserError FOLDER_NOT_WRITABLE, RESTORE_UNFINISHED or FOLDER_LOCKED. */
export function openFolder(path: string): FolderLock {
  try {
    makeFolder(path)
    accessSync(path, allRights)
  } catch (cause) {
    throw notWritable(path, cause)
  }
  if (isUnfinished(path)) {
    throw new UserError(
      'RESTORE_UNFINISHED',
      `a restore into ${path} was cut off: it holds a part of a registry`,
      {
        hint: 'Run trow restore again into the same folder, or remove the folder.',
      },
    )
  }
  return lockFolder(path)
}
