import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import pLimit from 'p-limit'
import { z } from 'zod'
import { ForeignJsonError, parseForeignJson } from '../foreign-json.ts'
import { makeFolder } from '../new-folder.ts'
import { digestAlgorithm, type Digest } from '../oci/digest.ts'
import type { PushListener } from '../push/send-blobs.ts'
import { UserError } from '../user-error.ts'
import { entryOf, layoutMark, placeOf } from './layout-form.ts'
import { writeFault } from './write-fault.ts'
import type { PulledImage } from './pulled-image.ts'
import { readBlob } from './read-blob.ts'

/** Blobs that are read concurrently. */
const concurrency = 4
/** Bytes of an index.json that is added to. */
const indexLimit = 4 * 1024 * 1024

const entrySchema = z.looseObject({
  digest: z.string(),
  annotations: z.record(z.string(), z.string()).nullish(),
})
const indexSchema = z.looseObject({ manifests: z.array(entrySchema).nullish() })
type IndexEntry = z.infer<typeof entrySchema>

/** What a pull has fetched, and what was there. */
export interface PulledBlobs {
  readonly fetched: number
  readonly total: number
  /** Bytes that were fetched. */
  readonly bytes: number
}

/**
 * Writes an image into an OCI layout (image-spec "image-layout.md"), which may hold other images: a new folder,
 * an empty one, or a layout. What it has already is not fetched. index.json names the image last, so that what it
 * names is whole at any time. Throws UserError LAYOUT_INVALID, FOLDER_NOT_WRITABLE; UpstreamFault.
 */
export async function writeLayout(
  folder: string,
  image: PulledImage,
  { progress, signal }: { readonly progress: PushListener; readonly signal: AbortSignal },
): Promise<PulledBlobs> {
  const entries = await readEntries(folder)
  try {
    makeFolder(folder, 0o755)
    const blobs = [...new Map(image.manifests.flatMap((each) => each.blobs).map((blob) => [blob.digest, blob])).values()] // prettier-ignore
    progress.expect(blobs.reduce((sum, { size }) => sum + size, 0))
    let [fetched, bytes] = [0, 0]
    const limit = pLimit(concurrency)
    const fetch = async (blob: (typeof blobs)[number]): Promise<void> => {
      const line = progress.begin(blob)
      const path = join(folder, placeOf(blob.digest))
      if (await holds(path, blob.digest, blob.size)) return line.done('there')
      makeFolder(dirname(path), 0o755)
      await writeWhole(path, readBlob(blob, line, signal))
      line.done('pushed')
      fetched++
      bytes += blob.size
    }
    const running = blobs.map((blob) =>
      limit(() =>
        fetch(blob).catch((error: unknown) => {
          limit.clearQueue()
          throw error
        }),
      ),
    )
    await Promise.all(running)
    for (const { digest, body } of image.manifests) {
      const path = join(folder, placeOf(digest))
      makeFolder(dirname(path), 0o755)
      await writeWhole(path, [body])
    }
    await writeWhole(join(folder, 'oci-layout'), [Buffer.from(layoutMark)])
    const others = entries.filter((entry) => !isReplaced(entry, image))
    const index = { schemaVersion: 2, manifests: [...others, entryOf(image)] }
    await writeWhole(join(folder, 'index.json'), [Buffer.from(JSON.stringify(index))])
    return { fetched, total: blobs.length, bytes }
  } catch (error) {
    throw writeFault(folder, error)
  }
}

/** Throws UserError LAYOUT_INVALID if an image cannot be written there. */
export async function needLayout(folder: string): Promise<void> {
  await readEntries(folder)
}

async function readEntries(folder: string): Promise<readonly IndexEntry[]> {
  const found = await stat(folder).catch(() => undefined)
  if (found === undefined) return []
  if (!found.isDirectory()) throw invalid(folder, 'is no folder')
  const names = await readdir(folder)
  if (names.length === 0) return []
  // A pull that was cut off has left blobs alone.
  if (!names.includes('index.json')) {
    if (names.every((name) => name === 'blobs' || name === 'oci-layout')) return []
    throw invalid(folder, 'holds other files')
  }
  if (!names.includes('oci-layout')) throw invalid(folder, 'has an index.json and no oci-layout')
  try {
    const text = await readFile(join(folder, 'index.json'))
    return parseForeignJson(text, indexSchema, indexLimit).manifests ?? []
  } catch (error) {
    if (!(error instanceof ForeignJsonError)) throw error
    throw invalid(folder, `has an index.json that cannot be read: ${error.message}`)
  }
}

/** A name means one image. */
function isReplaced({ digest, annotations }: IndexEntry, { name, digest: own }: PulledImage): boolean {
  const other = annotations?.['io.containerd.image.name']
  return other === name || (other === undefined && digest === own)
}

async function holds(path: string, digest: Digest, size: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isFile() !== true || found.size !== size) return false
  const hash = createHash(digestAlgorithm(digest))
  await pipeline(createReadStream(path), hash)
  return `${digestAlgorithm(digest)}:${hash.digest('hex')}` === digest
}

async function writeWhole(
  path: string,
  chunks: AsyncIterable<Uint8Array> | readonly Uint8Array[],
): Promise<void> {
  const part = `${path}.part`
  try {
    if (Array.isArray(chunks)) await writeFile(part, Buffer.concat(chunks))
    else await pipeline(chunks, createWriteStream(part))
    await rename(part, path)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}

function invalid(folder: string, reason: string): UserError {
  return new UserError('LAYOUT_INVALID', `${folder} ${reason}`, {
    hint: 'Name a folder that is not there yet, an empty one, or an OCI layout; FILE.tar is an archive.',
  })
}
