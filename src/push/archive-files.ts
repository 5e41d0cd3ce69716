import { counted } from '../counted.ts'
import type { z } from 'zod'
import { ForeignJsonError, parseForeignJson } from '../foreign-json.ts'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { UserError } from '../user-error.ts'
import { indexTar, type TarEntry } from './tar-index.ts'

/** The files of an archive, which is a folder or a tar. Names are relative, with forward slashes. */
export interface ArchiveFiles {
  /** Used in messages. */
  readonly path: string
  /** Returns `undefined` if there is no such file. */
  size(name: string): Promise<number | undefined>
  open(name: string, offset: number): AsyncIterable<Uint8Array>
}

const chunk = 64 * 1024
/** The largest file in bytes that is read into memory: a manifest, an index or a config. */
export const largestFile = 16 * 1024 * 1024

export function folderFiles(folder: string): ArchiveFiles {
  return {
    path: folder,
    async size(name) {
      const found = await stat(within(folder, name)).catch(() => undefined)
      return found?.isFile() === true ? found.size : undefined
    },
    open: (name, offset) => createReadStream(within(folder, name), { start: offset, highWaterMark: chunk }),
  }
}

/** Throws NoTar. */
export async function tarFiles(tar: string): Promise<ArchiveFiles> {
  const entries = await indexTar(tar)
  const find = (name: string): TarEntry | undefined => follow(entries, name)
  return {
    path: tar,
    size: async (name) => find(name)?.size,
    open(name, offset) {
      const entry = find(name)
      if (entry === undefined) throw new Error(`${tar} has no ${name}`)
      if (offset >= entry.size) return empty()
      return createReadStream(tar, {
        start: entry.offset + offset,
        end: entry.offset + entry.size - 1,
        highWaterMark: chunk,
      })
    },
  }
}

/**
 * Reads a small file; `undefined` if it does not exist. Throws UserError ARCHIVE_INVALID if it is too large.
 */
export async function readSmall(files: ArchiveFiles, name: string): Promise<Buffer | undefined> {
  const size = await files.size(name)
  if (size === undefined) return undefined
  if (size > largestFile) throw invalidArchive(files.path, `${name} has ${counted(size, 'byte')}`)
  if (size === 0) return Buffer.alloc(0)
  const chunks: Uint8Array[] = []
  for await (const each of files.open(name, 0)) chunks.push(each)
  return Buffer.concat(chunks)
}

/** Reads a small file as JSON; `undefined` if it does not exist. Throws UserError ARCHIVE_INVALID. */
export async function readJson<Schema extends z.ZodType>(
  files: ArchiveFiles,
  name: string,
  { schema, form }: { readonly schema: Schema; /** The expected form, as text. */ readonly form: string },
): Promise<z.infer<Schema> | undefined> {
  const content = await readSmall(files, name)
  if (content === undefined) return undefined
  try {
    return parseForeignJson(content, schema, largestFile)
  } catch (error) {
    if (!(error instanceof ForeignJsonError)) throw error
    throw invalidArchive(files.path, `its ${name} is not ${form}: ${error.message}`, error)
  }
}

export function invalidArchive(path: string, reason: string, cause?: unknown): UserError {
  return new UserError('ARCHIVE_INVALID', `${path} is no image archive that can be pushed: ${reason}`, {
    hint: 'docker save, podman save and skopeo make them; an OCI layout is a folder or a tar.',
    cause,
  })
}

/** Old docker writes a layer that occurs twice as a link to the first one. */
function follow(entries: ReadonlyMap<string, TarEntry>, name: string): TarEntry | undefined {
  let at = posix.normalize(name)
  for (let hops = 0; hops < 10; hops++) {
    const entry = entries.get(at)
    if (entry?.link === undefined) return entry
    const { target, hard } = entry.link
    at = posix.normalize(hard ? target : posix.join(posix.dirname(at), target)).replace(/^\.\//, '')
  }
  return undefined
}

function within(folder: string, name: string): string {
  const path = posix.normalize(name)
  if (path.startsWith('../') || posix.isAbsolute(path))
    throw invalidArchive(folder, `"${name}" leads out of it`)
  return join(folder, path)
}

async function* empty(): AsyncGenerator<Uint8Array> {}
