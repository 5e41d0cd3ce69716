import { accessSync, constants, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { lockFolder, type FolderLock } from '../metadata/sqlite/folder-lock.ts'
import { databasePath, openForWriting } from '../metadata/sqlite/sqlite-file.ts'
import { reasonOf } from '../reason-of.ts'
import { UserError } from '../user-error.ts'
import { isUnfinished } from './restore-folder.ts'
import { makeFolder } from '../new-folder.ts'

export interface DataFolder {
  readonly path: string
  readonly lock: FolderLock
  /** It held no registry before. */
  readonly fresh: boolean
}

/**
 * Makes, locks and migrates the folder. Throws UserError FOLDER_NOT_WRITABLE, FOLDER_LOCKED, SCHEMA_NEWER or
 * DATABASE_UNUSABLE.
 */
export function openDataFolder(given: string): DataFolder {
  const path = resolve(given)
  try {
    makeFolder(path)
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new UserError('FOLDER_NOT_WRITABLE', `${path} cannot be written: ${reasonOf(cause)}`, {
      hint: 'Choose another folder with --data, or give this user the right to write there.',
      cause,
    })
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
  const fresh = statSync(databasePath(path), { throwIfNoEntry: false }) === undefined
  const lock = lockFolder(path)
  try {
    // The writer opens it again; this one speaks of what is wrong before anything else has started.
    openForWriting(databasePath(path)).close()
  } catch (error) {
    lock.release()
    throw error
  }
  return { path, lock, fresh }
}
