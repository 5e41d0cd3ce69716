import { createReadStream, createWriteStream, existsSync, statSync } from 'node:fs'
import { reasonOf } from '../reason-of.ts'
import { UserError } from '../user-error.ts'
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
  /** Removes the temporary files of this image. */
  close(): Promise<void>
}

/**
 * Opens a docker-archive or an OCI layout (a folder or a tar). A compressed tar is written to a file in the
 * temporary folder: a cut upload needs its bytes again. Returns `undefined` if the name can only be that of an
 * engine's image. Throws UserError ARCHIVE_INVALID, IMAGE_MISSING for a path at which nothing is.
 */
export async function openArchive(
  name: string,
  { cwd, signal }: Pick<SourceOptions, 'cwd' | 'signal'>,
): Promise<OpenImage | undefined> {
  const path = resolve(cwd, name)
  if (existsSync(join(path, 'oci-layout'))) return { ...(await read(folderFiles(path), undefined)), close }
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isFile() === true) {
    return spooled(async (file) => read(await archive(await plainTar(path, file, signal), path), undefined))
  }
  if (!/^\.{0,2}\/|\/$|\.(tar|tgz|tar\.gz)$/.test(name)) return undefined
  if (found?.isDirectory() === true) throw invalidArchive(path, 'the folder has no oci-layout')
  throw new UserError('IMAGE_MISSING', `there is no file ${path}`, {
    hint: 'docker save, podman save and skopeo make archives; without a path an image of the engine is meant.',
  })
}

/**
 * Opens an image of this machine's engine. Its export can be read only once, so that it is written to a file in
 * the temporary folder: the list of blobs is complete only at the end. Throws UserError ARCHIVE_INVALID,
 * IMAGE_MISSING, ENGINE_FAILED and those of engines.
 */
export async function openEngineImage(name: string, options: SourceOptions): Promise<OpenImage> {
  // Loaded here: archives do not need an engine.
  const { exportImage } = await import('./engine-export.ts')
  return spooled(async (file) => read(await archive(await exportImage(name, file, options), name), name))
}

async function spooled(openFrom: (file: string) => Promise<LocalImage>): Promise<OpenImage> {
  const spool = await mkdtemp(join(tmpdir(), 'trow-push-'))
  const remove = (): Promise<void> => rm(spool, { recursive: true, force: true })
  try {
    return { ...(await openFrom(join(spool, 'image.tar'))), close: remove }
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
