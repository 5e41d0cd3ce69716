import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { exitCode, UserError } from '../../user-error.ts'

/** Where an image is pulled to. */
export type Destination =
  | { readonly kind: 'layout'; readonly folder: string }
  | { readonly kind: 'archive'; readonly file: string }
  | { readonly kind: 'stdout' }
  | { readonly kind: 'engine' }

/**
 * Reads the second argument of a pull: a file `….tar`, `-`, a folder, or nothing for an engine. Throws UserError
 * OPTIONS_CONFLICT, OPTION_INVALID, FILE_EXISTS.
 */
export function destinationOf(
  given: string | undefined,
  { engine, cwd }: { readonly engine: string | undefined; readonly cwd: string },
): Destination {
  if (given === undefined) return { kind: 'engine' }
  if (engine !== undefined) {
    throw new UserError('OPTIONS_CONFLICT', `"${given}" is one destination, and --engine another`, {
      hint: 'Leave out one of them.',
      exitCode: exitCode.usage,
    })
  }
  if (given === '-') return { kind: 'stdout' }
  const path = resolve(cwd, given)
  if (/\.(tgz|gz|zst|zip)$/.test(given)) {
    throw new UserError(
      'OPTION_INVALID',
      `"${given}" would be compressed twice: layers are compressed already`,
      {
        hint: 'Write FILE.tar, or a folder.',
        exitCode: exitCode.usage,
      },
    )
  }
  if (!given.endsWith('.tar')) return { kind: 'layout', folder: path }
  if (!existsSync(path) || statSync(path).isFIFO() || statSync(path).isCharacterDevice())
    return { kind: 'archive', file: path }
  throw new UserError('FILE_EXISTS', `${path} is there already`, { hint: 'Remove it, or name another file.' })
}
