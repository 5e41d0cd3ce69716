import type { ChangeRunner } from '../rules/changes.ts'

/** A runner that also keeps the claims on uploads, and knows of those that threads have not sent yet. */
export interface UploadRunner extends ChangeRunner {
  /** See OwnPolicies.setGeneration. */
  setPolicyGeneration(generation: number): Promise<void>
  /** Resolves when the caller has the right to write to the upload; see MetadataChanges.claimUpload. */
  claim(upload: string, onContested: () => void): Promise<void>
  release(upload: string): Promise<void>
  /**
   * Registers a function that sends every change that this thread holds back. It is called before any
   * thread's `flushPending` is answered.
   */
  onFlushPending(flushPending: () => void): void
  /** Resolves when all changes that any thread held back or had requested are done. */
  flushPending(): Promise<void>
}
