/** An entry of a layer. Paths have no leading slash: `usr/bin/node`. */
export type LayerEntry = FileEntry | FolderEntry | LinkEntry

export interface FileEntry {
  readonly kind: 'file'
  readonly path: string
  readonly mode: number
  readonly content: Buffer
}

/** Parent folders need no entry of their own: they get root as owner and mode 0755. */
export interface FolderEntry {
  readonly kind: 'folder'
  readonly path: string
  readonly mode: number
  /** The id of user and group; root by default. */
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
