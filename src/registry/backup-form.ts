import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'
import type { ContentTotals } from '../metadata/metadata-store.ts'

/** The first entry of a backup. */
export const headSchema = z.object({ version: z.number(), metadataFormat: z.string(), createdAt: z.string() })
export type BackupHead = z.infer<typeof headSchema>

/** The last entry of a backup: a file without it is incomplete. */
export interface BackupTail {
  /** Those that are entries of the backup. */
  readonly blobs: number
  readonly bytes: number
  /** Blobs that the registry had lost before: they are not in the backup. */
  readonly missing: number
  /** The first `mostListed` of them. */
  readonly missingDigests: readonly string[]
  /** What the registry held, also small blobs, which are in the metadata. Undefined: an older trow made it. */
  readonly contents?: ContentTotals | undefined
}

/** Version of the backup format. */
export const version = 1
export const headName = 'trow-backup.json'
export const metadataName = 'metadata'
export const tailName = 'trow-backup-end.json'
/** Lost blobs that a tail names. */
export const mostListed = 1000

const count = z.number().int().nonnegative()

export const tailSchema = z.object({
  blobs: count,
  bytes: count,
  missing: count.default(0),
  missingDigests: z.array(z.string().max(200)).max(mostListed).default([]),
  contents: z.object({ blobs: count, bytes: count, manifests: count }).optional(),
})

/** Bytes at the end of a backup that contain its tail. */
export const tailRoom = 256 * 1024

/** The tail in the last bytes of a backup. Undefined: the backup is incomplete. */
export function readBackupTail(end: Buffer): BackupTail | undefined {
  const block = 512
  for (let at = end.length - block; at >= 0; at -= block) {
    const named = end.toString('latin1', at, at + tailName.length + 1)
    if (named !== `${tailName}\0`) continue
    const size = Number.parseInt(end.toString('latin1', at + 124, at + 136), 8)
    return tryForeignJson(end.subarray(at + block, at + block + size), tailSchema, tailRoom)
  }
  return undefined
}
