import { open } from 'node:fs/promises'

/** Resolves when the file or folder is on disk (fsync(2)). */
export async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
