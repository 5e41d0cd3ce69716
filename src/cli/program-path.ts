import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Terminal } from './streams.ts'

/**
 * Returns the path of an executable program. An empty part of PATH, which means the working directory, is
 * skipped.
 */
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
        // The file does not exist or is not executable.
      }
    }
  }
  return undefined
}
