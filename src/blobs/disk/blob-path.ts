import { join } from 'node:path'
import { isDataKey, type DataKey } from '../blob-store.ts'

export type BlobState = 'staged' | 'published'

/** The names of the sub-folders of `blobs`. */
export const blobFolders: readonly string[] = Array.from({ length: 256 }, (_, index) =>
  index.toString(16).padStart(2, '0'),
)

/**
 * The only place that builds paths:
 *
 *     <folder>/
 *       uploads/
 *         <key>             staged
 *       blobs/
 *         <first 2 hex>/
 *           <key>           published
 */
export function blobPath(folder: string, state: BlobState, key: DataKey): string {
  // A key from outside must not form a path that leaves the folder.
  if (!isDataKey(key)) throw new TypeError('not a data key')
  return join(stateFolder(folder, state, key.slice(0, 2)), key)
}

/** The folder of the keys that begin with `prefix`. */
export function stateFolder(folder: string, state: BlobState, prefix: string): string {
  return state === 'staged' ? join(folder, 'uploads') : join(folder, 'blobs', prefix)
}
