import { reasonOf } from '../reason-of.ts'
import { UserError, exitCode } from '../user-error.ts'
import { downloadFile, DownloadRefused } from './file-download.ts'
import type { DebianFile } from './source-lock.ts'

/** The addresses of Debian's archives, each `http(s)://…` without a slash at the end. */
export interface DebianMirror {
  readonly debian: string
  readonly 'debian-security': string
}

const largestIndex = 100 * 1024 * 1024

/**
 * Parses a mirror that is named by its main archive: `https://host/debian`, with `debian-security` beside it.
 */
export function mirrorAt(url: string): DebianMirror {
  const debian = url.replace(/\/+$/, '')
  if (!/^https?:\/\/[^/]+(\/|$)/.test(debian)) {
    throw new UserError('MIRROR_INVALID', `"${url}" is no address of a Debian mirror`, {
      hint: 'Write http://HOST/debian or https://HOST/debian.',
      exitCode: exitCode.usage,
    })
  }
  return { debian, 'debian-security': `${debian.replace(/\/debian$/, '')}/debian-security` }
}

/**
 * Returns the mirror of the machine's own apt; `undefined` if its sources name none. sources.list(5), both
 * formats.
 */
export function mirrorOfSources(files: readonly string[]): DebianMirror | undefined {
  const urls = files
    .flatMap((text) => text.split('\n'))
    .filter((line) => /^(deb(\s|$)|URIs:)/.test(line))
    .flatMap((line) => line.match(/https?:\/\/[^\s\]]+/g) ?? [])
    .map((url) => url.replace(/\/+$/, ''))
  const debian = urls.find((url) => url.endsWith('/debian'))
  if (debian === undefined) return undefined
  const security = urls.find((url) => url.endsWith('/debian-security'))
  return { ...mirrorAt(debian), ...(security === undefined ? {} : { 'debian-security': security }) }
}

/**
 * Rejects with DownloadRefused if the mirror does not have the file (any more), otherwise with UserError
 * MIRROR_UNREACHABLE.
 */
export async function downloadFromMirror(
  mirror: DebianMirror,
  { archive, path, size = largestIndex }: Pick<DebianFile, 'archive' | 'path'> & { readonly size?: number },
  received?: (bytes: number) => void,
): Promise<Buffer> {
  const url = `${mirror[archive]}/${path.replaceAll('+', '%2B')}`
  try {
    return await downloadFile(url, size, received)
  } catch (cause) {
    if (cause instanceof DownloadRefused) throw cause
    throw new UserError('MIRROR_UNREACHABLE', `${url} cannot be read: ${reasonOf(cause)}`, {
      hint: 'Another mirror can be given with --mirror URL.',
      cause,
      exitCode: exitCode.unreachable,
    })
  }
}
