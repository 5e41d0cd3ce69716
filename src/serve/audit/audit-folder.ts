import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { nearestFolder } from '../../new-folder.ts'
import { reasonOf } from '../../reason-of.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import { exitCode, UserError } from '../../user-error.ts'

/** The folder of the audit log of one process. */
export function auditFolder(settings: Settings, data: string): string {
  return settings['audit-folder'] ?? join(data, 'audit')
}

/** Throws UserError AUDIT_UNUSABLE if the folder cannot be written, or could not be made. Makes nothing. */
export function checkAuditFolder(folder: string): void {
  try {
    accessSync(nearestFolder(folder), constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw auditUnusable(cause)
  }
}

/** `isShared`: the log is in the database and the bucket. */
export function auditUnusable(cause: unknown, isShared = false): UserError {
  return new UserError('AUDIT_UNUSABLE', `the audit log cannot be opened: ${reasonOf(cause)}`, {
    hint: isShared
      ? 'Check that the database and the bucket answer, and that this user may write there.'
      : 'Check --audit-folder: this user must be able to write there.',
    cause,
  })
}

/** Throws UserError CONFIG_INVALID for a folder where the registry is shared: its log is not in files. */
export function checkSharedAudit({ 'audit-folder': folder }: Settings): void {
  if (folder === undefined) return
  throw new UserError(
    'CONFIG_INVALID',
    '--audit-folder is given, and --database and --s3 keep the audit log of all processes in the database and the bucket',
    { hint: 'Leave out --audit-folder.', exitCode: exitCode.usage },
  )
}
