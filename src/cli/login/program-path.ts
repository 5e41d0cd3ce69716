import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Env } from './engine.ts'

export function findOnPath(program: string, env: Env): string | undefined {
  const names = process.platform === 'win32' ? [`${program}.cmd`, `${program}.exe`] : [program]
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
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
