import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { flush } from '../flush.ts'
import { restoredPolicies } from '../metadata/sqlite/restored-policies.ts'
import { makeFolder } from '../new-folder.ts'

/** The policies and exceptions of a database that a restore has taken. */
export interface TakenPolicies {
  readonly count: number
  /** Where they are files for `--policy-dir`; undefined: they are in a database, or there are none. */
  readonly folder: string | undefined
}

/**
 * Writes the policies and exceptions in a file of SQLite as files of a folder, each with one: a registry without a
 * database reads them from nowhere else.
 */
export async function writePolicyFolder(path: string, folder: string): Promise<TakenPolicies> {
  let count = 0
  for (const { kind, name, document } of restoredPolicies(path)) {
    if (count++ === 0) makeFolder(folder)
    // Neither may lead out of the folder.
    const file = join(folder, encodeURIComponent(`${kind.toLowerCase()}-${name}.json`))
    writeFileSync(file, `${document}\n`, { mode: 0o600, flush: true })
  }
  if (count === 0) return { count, folder: undefined }
  await flush(folder)
  return { count, folder }
}

/** How many policies and exceptions a file of SQLite holds. */
export function countPolicies(path: string): number {
  let count = 0
  for (const _ of restoredPolicies(path)) count++
  return count
}
