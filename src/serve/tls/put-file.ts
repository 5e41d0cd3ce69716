import { renameSync, rmSync, writeFileSync } from 'node:fs'

/** Whole or not at all, and for this user only. */
export function putFile(path: string, text: string): void {
  const part = `${path}.new`
  // One that somebody else has put there would keep its mode, and its other names.
  rmSync(part, { force: true })
  writeFileSync(part, text, { mode: 0o600, flag: 'wx' })
  renameSync(part, path)
}
