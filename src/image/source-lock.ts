import * as z from 'zod'
import { ForeignJsonError, parseForeignJson } from '../foreign-json.ts'
import { UserError } from '../user-error.ts'

const architectures = ['amd64', 'arm64'] as const
const debianFile = z.strictObject({
  package: z.string(),
  version: z.string(),
  /** The archive of the mirror. */
  archive: z.enum(['debian', 'debian-security']),
  /** The path below the archive. */
  path: z.string().regex(/^pool\/[^\s]+\.deb$/),
  /** In bytes. */
  size: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
const nodeArchive = z.strictObject({
  /** The name in the npm registry. */
  package: z.string(),
  /** Subresource Integrity, as in npm. */
  integrity: z.string().regex(/^sha512-[A-Za-z0-9+/]{86}==$/),
})
const lock = z.strictObject({
  debian: z.strictObject({
    codename: z.string(),
    /** `13.8` */
    version: z.string(),
    files: z.record(z.enum(architectures), z.array(debianFile).nonempty()),
  }),
  node: z.strictObject({ version: z.string(), archives: z.record(z.enum(architectures), nodeArchive) }),
})

/** The exact sources of everything in an image besides trow: image/sources.lock.json. */
export type SourceLock = z.infer<typeof lock>
export type DebianFile = z.infer<typeof debianFile>

/** The command that rewrites the lock file. */
export const refreshCommand = 'npm run image -- --refresh-lock'

/** Throws UserError IMAGE_LOCK_INVALID. */
export function parseSourceLock(text: string): SourceLock {
  try {
    return parseForeignJson(text, lock)
  } catch (cause) {
    if (!(cause instanceof ForeignJsonError)) throw cause
    throw new UserError('IMAGE_LOCK_INVALID', `sources.lock.json cannot be used: ${cause.message}`, {
      hint: `In a checkout of trow, ${refreshCommand} writes it anew.`,
      cause,
    })
  }
}
