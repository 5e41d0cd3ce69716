import type { ContentTotals } from '../metadata/metadata-store.ts'
import { databasePath } from '../metadata/sqlite/sqlite-file.ts'
import type { TakenPolicies } from './policy-folder.ts'
import type { ContentOwner } from './content-engine.ts'

/** Where a restore brings the metadata. The caller closes it. */
export interface MetadataTarget {
  /** The registry that it becomes; undefined: the data folder will say it. */
  readonly owner: ContentOwner | undefined
  /** Makes the image at `restoringPath` the metadata, all of it or nothing. `bucket`: the name of that of the blobs. */
  take(bucket: string | undefined): Promise<void>
  /** What it has taken. */
  totals(): ContentTotals
  policies(): TakenPolicies
  close(): void
}

/** Where the image of a restore is, until it is the metadata. */
export function restoringPath(folder: string): string {
  return `${databasePath(folder)}.restoring`
}
