import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

/** The first entry. */
export const headSchema = z.object({ version: z.number(), metadataFormat: z.string(), createdAt: z.string() })
export type BackupHead = z.infer<typeof headSchema>

/** The last entry: a file that ends before it is not whole. */
export interface BackupTail {
  readonly blobs: number
  readonly bytes: number
  /** Blobs that the registry had lost before: they are not in the backup. */
  readonly missing: number
  /** The first of them. */
  readonly missingDigests: readonly string[]
}

/** Of the form. */
export const version = 1
export const headName = 'trow-backup.json'
export const metadataName = 'metadata'
export const tailName = 'trow-backup-end.json'
/** Lost blobs that a tail names. */
export const mostListed = 1000

export const tailSchema = z.object({
  blobs: z.number().int().nonnegative(),
  bytes: z.number().int().nonnegative(),
  missing: z.number().int().nonnegative().default(0),
  missingDigests: z.array(z.string().max(200)).max(mostListed).default([]),
})

/** As many of a backup's last bytes hold its tail. */
export const tailRoom = 256 * 1024

/** The tail that these last bytes of a backup end with; undefined: they are not the end of a whole one. */
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
