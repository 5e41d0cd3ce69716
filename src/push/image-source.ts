import { createReadStream, createWriteStream, existsSync, statSync } from 'node:fs'
import { reasonOf } from '../reason-of.ts'
import type { SourceOptions } from './source-options.ts'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { folderFiles, invalidArchive, tarFiles, type ArchiveFiles } from './archive-files.ts'
import { readDockerArchive } from './docker-archive.ts'
import type { LocalImage } from './local-image.ts'
import { readLayout } from './oci-layout.ts'
import { spoolFault } from './spool-fault.ts'
import { NoTar } from './tar-index.ts'

export interface OpenImage extends LocalImage {
  /** Removes what had to be written for it. */
  close(): Promise<void>
}

/**
 * A docker-archive, or an OCI layout in a folder or a tar, where there is a file of that name; else an image of this
 * machine's engine. What can be read only once, an engine's export and a tar that is compressed, goes through a file in
 * the folder for temporary ones: which blobs the registry has is known only when the end has been read, and an upload
 * that is cut needs its bytes again. Throws UserError ARCHIVE_INVALID, IMAGE_MISSING, ENGINE_FAILED and those of engines.
 */
export async function openImage(name: string, options: SourceOptions): Promise<OpenImage> {
  const path = resolve(options.cwd, name)
  const isFolder = existsSync(join(path, 'oci-layout'))
  const isFile = !isFolder && existsSync(path) && statSync(path).isFile()
  if (options.engine === undefined && isFolder)
    return { ...(await read(folderFiles(path), undefined)), close }
  const spool = await mkdtemp(join(tmpdir(), 'trow-push-'))
  const remove = (): Promise<void> => rm(spool, { recursive: true, force: true })
  try {
    const file = join(spool, 'image.tar')
    const fromFile = options.engine === undefined && isFile
    // Loaded here: archives need nothing of engines.
    const tar = fromFile
      ? await plainTar(path, file, options.signal)
      : await (await import('./engine-export.ts')).exportImage(name, file, options)
    return { ...(await read(await archive(tar, path), fromFile ? undefined : name)), close: remove }
  } catch (error) {
    await remove()
    throw error
  }
}

async function close(): Promise<void> {}

async function read(files: ArchiveFiles, wanted: string | undefined): Promise<LocalImage> {
  const image = (await readLayout(files, wanted)) ?? (await readDockerArchive(files, wanted))
  if (image === undefined) throw invalidArchive(files.path, 'it has neither oci-layout nor manifest.json')
  return wanted === undefined ? image : { ...image, name: wanted }
}

async function archive(tar: string, shown: string): Promise<ArchiveFiles> {
  try {
    return { ...(await tarFiles(tar)), path: shown }
  } catch (error) {
    throw error instanceof NoTar ? invalidArchive(shown, error.message, error) : error
  }
}

async function plainTar(path: string, spool: string, signal: AbortSignal): Promise<string> {
  const file = await open(path)
  const start = Buffer.alloc(2)
  await file.read(start, 0, 2, 0)
  await file.close()
  if (start.toString('hex') !== '1f8b') return path
  try {
    await pipeline(createReadStream(path), createGunzip(), createWriteStream(spool, { mode: 0o600 }), {
      signal,
    })
  } catch (cause) {
    throw spoolFault(cause) ?? invalidArchive(path, reasonOf(cause), cause)
  }
  return spool
}
