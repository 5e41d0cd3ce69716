import { createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../error-code.ts'
import { makeFolder } from '../new-folder.ts'
import { DownloadRefused } from './file-download.ts'
import { UserError } from '../user-error.ts'
import { downloadFromMirror, type DebianMirror } from './debian-mirror.ts'
import type { ImageSource } from './image-source.ts'
import type { NpmPackage } from './package-lock.ts'
import { refreshCommand, type DebianFile } from './source-lock.ts'

export interface CachedSourceOptions {
  /** Contains files by digest. It may be emptied at any time. */
  readonly folder: string
  /** Called only if a file is not in the folder. */
  mirror(): Promise<DebianMirror>
  /** Lets npm write the .tgz files of `name@version` into a folder, with any file names. */
  pack(specs: readonly string[], folder: string): Promise<void>
  /** Told what is downloaded from the mirror. npm tells nothing of its downloads. */
  readonly progress?: DownloadProgress
}

export interface DownloadProgress {
  /** So many bytes are to come. */
  expect(bytes: number): void
  /** So many of them have come. */
  add(bytes: number): void
}

/**
 * Files of the Debian mirror and of the npm registry. Each is downloaded once per machine and compared with
 * its digest.
 */
export class CachedSource implements ImageSource {
  readonly #options: CachedSourceOptions

  constructor(options: CachedSourceOptions) {
    this.#options = options
  }

  async debian(file: DebianFile): Promise<Buffer> {
    const known = await this.#read('sha256', file.sha256)
    if (known !== undefined) return known
    const bytes = await this.#download(file)
    if (digest('sha256', bytes) !== file.sha256) {
      throw new UserError(
        'IMAGE_SOURCE_INVALID',
        `the mirror's ${file.path} is not the one that the lock names`,
        {
          hint: 'Try another mirror with --mirror URL; if all have this file, trow needs a new lock.',
        },
      )
    }
    await this.#keep('sha256', file.sha256, bytes)
    return bytes
  }

  async npm(packages: readonly Omit<NpmPackage, 'path'>[]): Promise<readonly Buffer[]> {
    const known = new Map<string, Buffer>()
    const missing = new Map<string, string>()
    for (const { name, version, integrity } of packages) {
      const bytes = await this.#read('sha512', hexOf(integrity))
      if (bytes === undefined) missing.set(integrity, `${name}@${version}`)
      else known.set(integrity, bytes)
    }
    if (missing.size > 0) await this.#pack(missing, known)
    return packages.map(({ integrity }) => known.get(integrity)!)
  }

  async #download(file: DebianFile): Promise<Buffer> {
    const { progress } = this.#options
    progress?.expect(file.size)
    const mirror = await this.#options.mirror()
    try {
      return await downloadFromMirror(mirror, file, (bytes) => progress?.add(bytes))
    } catch (cause) {
      if (!(cause instanceof DownloadRefused)) throw cause
      throw new UserError(
        'IMAGE_SOURCE_GONE',
        `the Debian mirror has no ${file.path} (any more): ${cause.message}`,
        {
          hint: `In a checkout of trow, ${refreshCommand} takes the newest packages; or name another mirror with --mirror URL.`,
          cause,
        },
      )
    }
  }

  async #pack(missing: ReadonlyMap<string, string>, known: Map<string, Buffer>): Promise<void> {
    makeFolder(this.#options.folder, 0o755)
    const folder = await mkdtemp(join(this.#options.folder, 'npm-'))
    try {
      await this.#options.pack([...new Set(missing.values())], folder)
      for (const name of await readdir(folder)) {
        const bytes = await readFile(join(folder, name))
        const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
        if (!missing.has(integrity)) continue
        known.set(integrity, bytes)
        await this.#keep('sha512', hexOf(integrity), bytes)
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
    const wrong = [...missing].filter(([integrity]) => !known.has(integrity)).map(([, spec]) => spec)
    if (wrong.length === 0) return
    throw new UserError(
      'IMAGE_SOURCE_INVALID',
      `the npm registry's ${wrong.join(', ')} is not what the lock names`,
      { hint: 'Look at which registry npm is set to: npm config get registry.' },
    )
  }

  async #read(algorithm: string, hex: string): Promise<Buffer | undefined> {
    try {
      const bytes = await readFile(join(this.#options.folder, `${algorithm}-${hex}`))
      return digest(algorithm, bytes) === hex ? bytes : undefined
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined
      throw error
    }
  }

  async #keep(algorithm: string, hex: string, bytes: Buffer): Promise<void> {
    makeFolder(this.#options.folder, 0o755)
    const staged = await mkdtemp(join(this.#options.folder, 'new-'))
    try {
      await writeFile(join(staged, 'file'), bytes)
      await rename(join(staged, 'file'), join(this.#options.folder, `${algorithm}-${hex}`))
    } finally {
      await rm(staged, { recursive: true, force: true })
    }
  }
}

function digest(algorithm: string, bytes: Buffer): string {
  return createHash(algorithm).update(bytes).digest('hex')
}

function hexOf(integrity: string): string {
  return Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex')
}
