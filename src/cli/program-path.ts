import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Terminal } from './streams.ts'

/** The path of a program that may be run; an empty part of PATH, which is the working directory, is passed over. */
export function findOnPath(program: string, env: Terminal['env']): string | undefined {
  const names = process.platform === 'win32' ? [`${program}.cmd`, `${program}.exe`] : [program]
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue
    for (const name of names) {
      const path = join(folder, name)
      try {
        accessSync(path, constants.X_OK)
        return path
      } catch {
        // Not there.
      }
    }
  }
  return undefined
}
