import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { hostname } from 'node:os'
import type { ServingProcess } from '../../metadata/serving-processes.ts'

/**
 * How the process that serves this data folder is called among those of its registry. One that starts again with the
 * folder is the same; containers with the same path have folders of their own.
 */
export function ownProcess(folder: string): Pick<ServingProcess, 'id' | 'name'> {
  const { dev, ino } = statSync(folder)
  const id = createHash('sha256')
    .update(JSON.stringify([hostname(), folder, dev, ino]))
    .digest('hex')
  return { id, name: `${folder} on ${hostname()}` }
}
