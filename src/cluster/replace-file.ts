import { randomBytes } from 'node:crypto'
import { open, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { makeFolder } from '../new-folder.ts'

/**
 * Replaces a file atomically. A symbolic link is kept, and its target replaced. Missing folders are made with mode
 * 0700.
 */
export async function replaceFile(path: string, content: string, mode: number): Promise<void> {
  const target = await realpath(path).catch(() => path)
  makeFolder(dirname(target))
  const part = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}`)
  try {
    const handle = await open(part, 'wx', mode)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(part, target)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}
