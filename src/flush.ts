import { open } from 'node:fs/promises'

/** A file or folder is on disk when it resolves (fsync(2)). */
export async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
