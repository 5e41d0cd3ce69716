import { existsSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lockFolder } from '../metadata/sqlite/folder-lock.ts'
import { UserError } from '../user-error.ts'
import { makeFolder } from '../new-folder.ts'

/** Stands in a folder while it is restored into. */
const markName = 'restore-unfinished'
/** Held open while it is locked. */
const lockFiles = ['lock.db', 'lock.db-journal']

/** A folder that is being restored into, locked. One of the two is called at the end. */
export interface RestoreFolder {
  /** It holds a whole registry. */
  keep(): void
  /** As it was before: empty, or not there. */
  undo(): void
}

/** Whether a restore into the folder was cut off, so that it holds a part of a registry. */
export function isUnfinished(folder: string): boolean {
  return existsSync(join(folder, markName))
}

/**
 * Makes the folder where it is missing. What an earlier restore that was cut off has left in it goes. Throws UserError
 * FOLDER_NOT_EMPTY, FOLDER_NOT_WRITABLE, FOLDER_LOCKED.
 */
export function openRestoreFolder(folder: string): RestoreFolder {
  const isNew = !existsSync(folder)
  makeFolder(folder)
  checkEmpty(folder)
  const lock = lockFolder(folder)
  try {
    // Asked again: another restore may have ended before the lock was free.
    checkEmpty(folder)
    writeFileSync(join(folder, markName), 'trow restore has not ended here: run it again\n', { mode: 0o600 })
    clear(folder, [markName, ...lockFiles])
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
  if (isUnfinished(folder) || readdirSync(folder).every((name) => lockFiles.includes(name))) return
  throw new UserError('FOLDER_NOT_EMPTY', `${folder} is not empty`, {
    hint: 'Restore into a new folder with --data, then serve that.',
  })
}

function clear(folder: string, kept: readonly string[]): void {
  for (const name of readdirSync(folder)) {
    if (!kept.includes(name)) rmSync(join(folder, name), { recursive: true, force: true })
  }
}
