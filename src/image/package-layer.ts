import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../error-code.ts'
import { file, type FileEntry } from './layer-entry.ts'
import type { Layer } from './layer.ts'
import { home } from './node-layers.ts'

/** The parts of the published package that its programs need. */
const parts = ['bin', 'dist', 'templates', 'package.json', 'LICENSE']

/** The layer with trow itself, from the folder of its package. */
export async function packageLayer(folder: string, version: string): Promise<Layer> {
  const found = await Promise.all(parts.map((part) => read(folder, part)))
  const files = found.flat()
  const inputs = files.flatMap(({ path, content }) => [
    path,
    createHash('sha256').update(content).digest('hex'),
  ])
  return { title: `trow ${version}`, inputs, entries: async () => files }
}

async function read(folder: string, path: string): Promise<FileEntry[]> {
  if (/\.map$|(^|\/)\./.test(path)) return []
  try {
    const names = await readdir(join(folder, path))
    return (await Promise.all(names.sort().map((name) => read(folder, `${path}/${name}`)))).flat()
  } catch (error) {
    if (errorCode(error) !== 'ENOTDIR') throw error
    const mode = path.startsWith('bin/') ? 0o755 : 0o644
    return [file(`${home}/${path}`, await readFile(join(folder, path)), mode)]
  }
}
