import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../../error-code.ts'
import { isNoteName, longestNote, type BlobNotes } from '../blob-notes.ts'

/** Notes as files of a folder, which is made for the first of them. */
export class FolderNotes implements BlobNotes {
  readonly #path: string

  constructor(folder: string) {
    this.#path = join(folder, 'databases')
  }

  async read(): Promise<ReadonlyMap<string, string>> {
    const notes = new Map<string, string>()
    for (const name of (await this.#names()).filter(isNoteName)) {
      const path = join(this.#path, name)
      if ((await stat(path)).size <= longestNote) notes.set(name, await readFile(path, 'utf8'))
    }
    return notes
  }

  async write(name: string, text: string): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 })
    const path = join(this.#path, name)
    await writeFile(`${path}.part`, text, { mode: 0o600, flush: true })
    await rename(`${path}.part`, path)
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.#path)
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return []
      throw error
    }
  }
}
