import { isNoteName } from '../blob-notes.ts'
import { isDataKey, type DataKey } from '../blob-store.ts'
import type { UploadPart } from './parts.ts'

/** Holds the id of the registry to which the bucket belongs. */
export const markerName = 'trow-registry.json'

/**
 * The only place that names objects, below the registry's prefix:
 *
 *     trow-registry.json    whose bucket it is
 *     blobs/<key>           what the first request of an upload brought; for most blobs, all of it
 *     parts/<key>/<name>    what a later request of the upload brought
 *     audit/<log>/<name>    a segment of the audit log
 *     databases/<name>      notes (`BlobNotes`)
 */
export function blobName(key: DataKey): string {
  // A key from outside must not name an object of somebody else.
  if (!isDataKey(key)) throw new TypeError('not a data key')
  return `blobs/${key}`
}

export function partName(key: DataKey, { name }: Pick<UploadPart, 'name'>): string {
  return name === '' ? blobName(key) : `${partsOf(key)}${name}`
}

/** Begins the names of all later parts. */
export function partsOf(key: DataKey): string {
  if (!isDataKey(key)) throw new TypeError('not a data key')
  return `parts/${key}/`
}

/**
 * Their lines decide the name: a segment that is stored again is the same object. Names are ordered as the
 * segments are.
 */
export function auditName({
  log,
  first,
  digest,
}: {
  readonly log: string
  readonly first: number
  readonly digest: string
}): string {
  return `${auditStart}${log}/${String(first).padStart(15, '0')}-${digest}.jsonl.gz`
}

/** Begins the names of all segments of the audit log. */
export const auditStart = 'audit/'

export const notesFolder = 'databases/'

export function noteName(name: string): string {
  if (!isNoteName(name)) throw new TypeError('not the name of a note')
  return `${notesFolder}${name}`
}

/** The key to which an object belongs; undefined: this store has not made it. */
export function keyOfObject(name: string): DataKey | undefined {
  const match = /^(?:blobs\/([0-9a-f]{32})|parts\/([0-9a-f]{32})\/[0-9a-f]+)$/.exec(name)
  return (match?.[1] ?? match?.[2]) as DataKey | undefined
}
