import { renameSync, writeFileSync } from 'node:fs'

/** Whole or not at all, and for this user only. */
export function putFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}
