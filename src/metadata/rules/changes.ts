import { addRobot, removeRobot, rotateSigningKey, saveLoginSource } from './change-access.ts'
import { mountBlob, putBlob, putWholeBlob, setTwin, touchBlob, unlinkBlob } from './change-blobs.ts'
import {
  markBlobs,
  deleteMarked,
  dropBlob,
  dropEmptyRepositories,
  expireUntagged,
  expireUploads,
  forgetPendingDeletes,
  pendOrphans,
  unlinkUnreferenced,
} from './change-garbage.ts'
import { acquireLease, noteGarbage, probe, releaseLease, renewLease } from './change-leases.ts'
import { markCommits, noteMissing } from './change-marks.ts'
import { forgetHistory } from './change-history.ts'
import { deleteManifest, deleteTag, discardManifest } from './change-manifest-removal.ts'
import { putManifest } from './change-manifests.ts'
import {
  forgetRecorded,
  recordDenials,
  recordChanges,
  recordUnrecorded,
  saveAuditKey,
  saveHead,
} from './change-outbox.ts'
import { cancelUpload, createUpload, saveUpload, flushPending } from './change-uploads.ts'

/** Every change by its name. */
export const changes = {
  putBlob,
  putWholeBlob,
  mountBlob,
  touchBlob,
  unlinkBlob,
  setTwin,
  putManifest,
  deleteTag,
  deleteManifest,
  discardManifest,
  createUpload,
  saveUpload,
  flushPending,
  cancelUpload,
  expireUploads,
  expireUntagged,
  unlinkUnreferenced,
  markBlobs,
  deleteMarked,
  forgetHistory,
  dropEmptyRepositories,
  forgetPendingDeletes,
  pendOrphans,
  acquireLease,
  renewLease,
  releaseLease,
  noteGarbage,
  markCommits,
  noteMissing,
  dropBlob,
  probe,
  recordChanges,
  recordDenials,
  recordUnrecorded,
  forgetRecorded,
  saveHead,
  saveAuditKey,
  addRobot,
  removeRobot,
  rotateSigningKey,
  saveLoginSource,
} as const

export type Changes = typeof changes
export type ChangeName = keyof Changes
export type ChangeArguments<Name extends ChangeName> = Parameters<Changes[Name]['run']>[1]
export type ChangeResult<Name extends ChangeName> = Awaited<ReturnType<Changes[Name]['run']>>

/** Returns changes as methods, for a store whose method only runs the change of the same name. */
export function changeMethods<Name extends ChangeName>(
  changes: ChangeRunner,
  names: readonly Name[],
): { readonly [Each in Name]: (values: ChangeArguments<Each>) => Promise<ChangeResult<Each>> } {
  const methods = names.map((name) => [name, (values: ChangeArguments<Name>) => changes.run(name, values)])
  return Object.fromEntries(methods) as ReturnType<typeof changeMethods<Name>>
}

/** Runs changes where the writer is: in this thread, in another thread, or on an SQL server. */
export interface ChangeRunner {
  run<Name extends ChangeName>(name: Name, values: ChangeArguments<Name>): Promise<ChangeResult<Name>>
  /** See GarbageStore.reclaim. 0 where the engine reclaims room by itself. */
  reclaim(): Promise<number>
  close(): Promise<void>
}
