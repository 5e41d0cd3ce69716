/** What a layer holds, at a path without a leading slash: `usr/bin/node`. */
export type LayerEntry = FileEntry | FolderEntry | LinkEntry

export interface FileEntry {
  readonly kind: 'file'
  readonly path: string
  readonly mode: number
  readonly content: Buffer
}

/** Folders that something is in need not be named: they are root's, 0755. */
export interface FolderEntry {
  readonly kind: 'folder'
  readonly path: string
  readonly mode: number
  /** User and group; root when left out. */
  readonly owner?: number
}

export interface LinkEntry {
  readonly kind: 'link'
  readonly path: string
  readonly target: string
}

export function file(path: string, content: Buffer | string, mode = 0o644): FileEntry {
  return { kind: 'file', path, mode, content: Buffer.from(content) }
}
