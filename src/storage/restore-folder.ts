import { existsSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lockFolder } from '../metadata/sqlite/folder-lock.ts'
import { UserError } from '../user-error.ts'
import { makeFolder } from '../new-folder.ts'
import { keptLocationName } from './bucket/kept-location-name.ts'

/** A file that exists in the folder while a restore into it is unfinished. */
const markName = 'restore-unfinished'
/** Files of the lock, which must not be removed while the folder is locked. */
const lockFiles = ['lock.db', 'lock.db-journal']
/** What a folder has that is a volume or the home of the image's user: ext4's own folder, and code that Node has compiled. */
const othersFiles = ['lost+found', '.cache']
/** Kept until the end of an undo: it says which bucket a restore that was cut off has begun to fill. */
const kept = [markName, keptLocationName, ...lockFiles]

/** A locked folder that is being restored into. The caller ends with `keep` or `undo`. */
export interface RestoreFolder {
  /** Keeps the folder: it holds a complete registry. */
  keep(): void
  /** Returns the folder to its earlier state: empty or missing. */
  undo(): void
}

/** Whether a restore into the folder was cut off, so that it holds only part of a registry. */
export function isUnfinished(folder: string): boolean {
  return existsSync(join(folder, markName))
}

/**
 * Creates the folder if it is missing, and removes what an earlier restore that was cut off has left in it.
 * Throws UserError FOLDER_NOT_EMPTY, FOLDER_NOT_WRITABLE, FOLDER_LOCKED.
 */
export function openRestoreFolder(folder: string): RestoreFolder {
  const isNew = !existsSync(folder)
  makeFolder(folder)
  checkEmpty(folder)
  const lock = lockFolder(folder)
  try {
    // Checked again: another restore may have ended before the lock was free.
    checkEmpty(folder)
    writeFileSync(join(folder, markName), 'trow restore has not ended here: run it again\n', { mode: 0o600 })
    clear(folder, kept)
  } catch (error) {
    lock.release()
    throw error
  }
  return {
    keep() {
      rmSync(join(folder, markName))
      lock.release()
    },
    undo() {
      clear(folder, [markName, ...lockFiles])
      rmSync(join(folder, markName))
      lock.release()
      clear(folder, [])
      if (isNew) rmdirSync(folder)
    },
  }
}

function checkEmpty(folder: string): void {
  if (isUnfinished(folder) || isEmpty(folder)) return
  throw new UserError('FOLDER_NOT_EMPTY', `${folder} is not empty`, {
    hint: 'Restore into a new folder with --data, then serve that.',
  })
}

function isEmpty(folder: string): boolean {
  return readdirSync(folder).every((name) => lockFiles.includes(name) || othersFiles.includes(name))
}

function clear(folder: string, kept: readonly string[]): void {
  for (const name of readdirSync(folder)) {
    if (!kept.includes(name) && !othersFiles.includes(name))
      rmSync(join(folder, name), { recursive: true, force: true })
  }
}
