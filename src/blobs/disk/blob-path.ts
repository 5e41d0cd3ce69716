import { join } from 'node:path'
import type { DataKey, StoredObject } from '../blob-store.ts'

const pattern = /^[0-9a-f]{32}$/

export function isDataKey(text: string): text is DataKey {
  return pattern.test(text)
}

/** The names of the sub-folders of `blobs`. */
export const blobFolders: readonly string[] = Array.from({ length: 256 }, (_, index) =>
  index.toString(16).padStart(2, '0'),
)

/**
 * The only place that makes paths:
 *
 *     <folder>/
 *       uploads/
 *         <key>             staged
 *       blobs/
 *         <first 2 hex>/
 *           <key>           published
 */
export function blobPath(folder: string, state: StoredObject['state'], key: DataKey): string {
  // A key that came from elsewhere must not become a path out of the folder.
  if (!isDataKey(key)) throw new TypeError('not a data key')
  return join(stateFolder(folder, state, key.slice(0, 2)), key)
}

/** The folder that holds the keys that begin with `prefix`. */
export function stateFolder(folder: string, state: StoredObject['state'], prefix: string): string {
  return state === 'staged' ? join(folder, 'uploads') : join(folder, 'blobs', prefix)
}
