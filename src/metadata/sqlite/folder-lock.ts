import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { plainReason } from '../../plain-reason.ts'
import { UserError } from '../../user-error.ts'
import { makeOwnerOnly } from './owner-only.ts'

/** Held for the life of the process: the kernel releases it however the process ends. */
export interface FolderLock {
  release(): void
}

/**
 * Throws UserError FOLDER_LOCKED when another process serves the folder, FOLDER_NOT_WRITABLE when it is not
 * writable.
 */
export function lockFolder(folder: string): FolderLock {
  let database: DatabaseSync | undefined
  const path = join(folder, 'lock.db')
  try {
    makeOwnerOnly(path)
    database = new DatabaseSync(path, { timeout: 0 })
    database.exec('pragma journal_mode=DELETE; begin exclusive')
  } catch (cause) {
    database?.close()
    if ((cause as { errcode?: number }).errcode === 5) {
      throw new UserError('FOLDER_LOCKED', `${folder} is in use by another trow`, {
        hint: 'Stop the other one, or give this one a folder of its own with --data.',
        cause,
      })
    }
    throw new UserError('FOLDER_NOT_WRITABLE', `${folder} cannot be written: ${plainReason(cause)}`, {
      hint: 'Choose another folder with --data, or give this user the right to write there.',
      cause,
    })
  }
  const held = database
  return { release: () => held.close() }
}
