import { addRobot, removeRobot, rotateSigningKey, saveLoginSource } from './change-access.ts'
import { mountBlob, putBlob, putWholeBlob, setTwin, touchBlob, unlinkBlob } from './change-blobs.ts'
import {
  acquireLease,
  condemnBlobs,
  deleteCondemned,
  dropBlob,
  dropEmptyRepositories,
  expireUntagged,
  expireUploads,
  forgetPendingDeletes,
  probe,
  recordClock,
  releaseLease,
  renewLease,
  unlinkUnreferenced,
} from './change-garbage.ts'
import { forgetHistory } from './change-history.ts'
import { deleteManifest, deleteTag, discardManifest } from './change-manifest-removal.ts'
import { putManifest } from './change-manifests.ts'
import { setPolicyGeneration } from './change-policy.ts'
import {
  forgetNoted,
  recordDenials,
  recordNotes,
  recordUnrecorded,
  saveAuditKey,
  saveHead,
} from './change-outbox.ts'
import { cancelUpload, createUpload, saveUpload, settle } from './change-uploads.ts'

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
  settle,
  cancelUpload,
  expireUploads,
  expireUntagged,
  unlinkUnreferenced,
  condemnBlobs,
  deleteCondemned,
  forgetHistory,
  dropEmptyRepositories,
  forgetPendingDeletes,
  acquireLease,
  renewLease,
  releaseLease,
  recordClock,
  dropBlob,
  probe,
  recordNotes,
  recordDenials,
  recordUnrecorded,
  forgetNoted,
  saveHead,
  saveAuditKey,
  addRobot,
  removeRobot,
  rotateSigningKey,
  saveLoginSource,
  setPolicyGeneration,
} as const

export type Changes = typeof changes
export type ChangeName = keyof Changes
export type ChangeArguments<Name extends ChangeName> = Parameters<Changes[Name]['run']>[1]
export type ChangeResult<Name extends ChangeName> = Awaited<ReturnType<Changes[Name]['run']>>

/** Changes as methods, for a store where a method does no more than run the change of its name. */
export function changeMethods<Name extends ChangeName>(
  changes: ChangeRunner,
  names: readonly Name[],
): { readonly [Each in Name]: (values: ChangeArguments<Each>) => Promise<ChangeResult<Each>> } {
  const methods = names.map((name) => [name, (values: ChangeArguments<Name>) => changes.run(name, values)])
  return Object.fromEntries(methods) as ReturnType<typeof changeMethods<Name>>
}

/** Runs changes, wherever the writer is: this thread, another one, or an SQL server. */
export interface ChangeRunner {
  run<Name extends ChangeName>(name: Name, values: ChangeArguments<Name>): Promise<ChangeResult<Name>>
  /** Waits for the right to write to an upload; see MetadataChanges.claimUpload. */
  claim(upload: string, letGo: () => void): Promise<void>
  release(upload: string): Promise<void>
  /** `tell` asks for every change that this thread holds back; called before `settle` is answered to anybody. */
  onSettle(tell: () => void): void
  /** Resolves when all that any thread held back, or had asked for, has been done. */
  settle(): Promise<void>
  /** See GarbageStore.reclaim. 0 where the engine does it by itself. */
  reclaim(): Promise<number>
  close(): Promise<void>
}
