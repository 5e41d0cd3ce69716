import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { S3Location } from '../../blobs/s3/s3-location.ts'
import { flush } from '../../flush.ts'
import { ForeignJsonError, parseForeignJson } from '../../foreign-json.ts'
import { errorCode } from '../../error-code.ts'
import { UserError } from '../../user-error.ts'
import { keptLocationName } from './kept-location-name.ts'

/** What the data folder knows of the bucket that holds its blobs. */
export interface KeptLocation {
  /** Also in the bucket's marker: whose bucket it is. */
  readonly registry: string
  /** False: the bucket may not have the marker yet. */
  readonly isClaimed: boolean
  readonly location: S3Location
}

const schema = z.object({
  registry: z.string().min(1),
  isClaimed: z.boolean(),
  location: z.object({
    endpoint: z.string(),
    region: z.string(),
    bucket: z.string(),
    prefix: z.string(),
    pathStyle: z.boolean(),
    encryption: z
      .union([
        z.object({ kind: z.literal('AES256') }),
        z.object({ kind: z.literal('aws:kms'), keyId: z.string().optional() }),
      ])
      .optional(),
  }),
})

/** Undefined: the blobs are in the folder itself. Throws UserError S3_FILE_DAMAGED. */
export function readKeptLocation(folder: string): KeptLocation | undefined {
  const path = join(folder, keptLocationName)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined
    throw error
  }
  try {
    const { location, ...rest } = parseForeignJson(text, schema)
    const { encryption } = location
    return {
      ...rest,
      location: {
        ...location,
        encryption:
          encryption?.kind === 'aws:kms' ? { kind: 'aws:kms', keyId: encryption.keyId } : encryption,
      },
    }
  } catch (cause) {
    if (!(cause instanceof ForeignJsonError)) throw cause
    throw new UserError('S3_FILE_DAMAGED', `${path} cannot be read: ${cause.message}`, {
      hint: 'It says in which bucket the blobs are: restore it, or the whole registry, from a backup.',
      cause,
    })
  }
}

export async function writeKeptLocation(folder: string, kept: KeptLocation): Promise<void> {
  const path = join(folder, keptLocationName)
  writeFileSync(`${path}.part`, `${JSON.stringify(kept, undefined, 2)}\n`, { mode: 0o600, flush: true })
  renameSync(`${path}.part`, path)
  await flush(folder)
}
