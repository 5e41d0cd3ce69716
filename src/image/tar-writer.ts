import { posix } from 'node:path'
import tar from 'tar-stream'
import type { FolderEntry, LayerEntry } from './layer-entry.ts'

const chunk = 1024 * 1024

/**
 * Writes a POSIX tar of the entries. The order of the entries does not change the bytes: they are sorted,
 * parent folders are added, times are 0, and there are no user names. Throws for a path that leaves the root
 * or occurs twice.
 */
export async function* writeTar(entries: readonly LayerEntry[]): AsyncGenerator<Buffer> {
  const pack = tar.pack()
  for (const entry of complete(entries)) {
    const header = { name: entry.path, mtime: new Date(0), uid: 0, gid: 0 }
    if (entry.kind === 'file') {
      pack.entry({ ...header, mode: entry.mode }, entry.content)
    } else if (entry.kind === 'link') {
      pack.entry({ ...header, type: 'symlink', mode: 0o777, linkname: entry.target })
    } else {
      const owner = entry.owner ?? 0
      pack.entry({ ...header, type: 'directory', mode: entry.mode, uid: owner, gid: owner })
    }
  }
  pack.finalize()
  for await (const bytes of pack as AsyncIterable<Buffer>) {
    for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk)
  }
}

function complete(entries: readonly LayerEntry[]): LayerEntry[] {
  const byPath = new Map<string, LayerEntry>()
  for (const entry of entries) {
    const { path } = entry
    if (path !== posix.normalize(path) || /^(\/|\.\.?(\/|$))|\/$/.test(path) || path.includes('\0'))
      throw new Error(`"${path}" is no path of a layer`)
    if (byPath.has(path)) throw new Error(`${path} is in the layer twice`)
    byPath.set(path, entry)
  }
  for (const path of byPath.keys()) {
    for (let above = posix.dirname(path); above !== '.'; above = posix.dirname(above)) {
      const there = byPath.get(above)
      if (there === undefined)
        byPath.set(above, { kind: 'folder', path: above, mode: 0o755 } satisfies FolderEntry)
      else if (there.kind !== 'folder') throw new Error(`${path} is below ${above}, which is no folder`)
    }
  }
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}
