import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The file of the data folder that says in which bucket the blobs are. */
export const keptLocationName = 's3.json'

export function isInBucket(folder: string): boolean {
  return existsSync(join(folder, keptLocationName))
}
