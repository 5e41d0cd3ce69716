import type { ByteSource, DataKey } from '../blob-store.ts'
import { ObjectWriter } from './object-writer.ts'
import { partName, blobName } from './object-names.ts'
import { streamObject } from './object-stream.ts'
import type { PartBudget } from './part-budget.ts'
import type { UploadPart } from './parts.ts'
import { isPassing, S3Fault } from './s3-fault.ts'
import type { FinishedPart, S3Objects } from './s3-objects.ts'

/** S3's least size of every part but the last, and what one copy takes here (S3 takes 5 GiB). */
const smallestCopy = 5 * 2 ** 20
const largestCopy = 2 ** 30
const mostCopies = 10_000
/** Copies that run at once. */
const atOnce = 8

/** Makes one object of the parts of an upload: S3 copies them itself where it can, else they are read once and written. */
export async function compose(
  { objects, budget }: { readonly objects: S3Objects; readonly budget: PartBudget },
  from: { readonly key: DataKey; readonly parts: readonly UploadPart[] },
  to: DataKey,
): Promise<void> {
  const slices = from.parts.flatMap((part) => slicesOf(partName(from.key, part), part.used))
  const isCopyable =
    slices.length <= mostCopies &&
    slices.slice(0, -1).every(({ start, end }) => end - start + 1 >= smallestCopy)
  if (isCopyable && (await copy(objects, slices, blobName(to)))) return
  const size = from.parts.reduce((sum, { used }) => sum + used, 0)
  const writer = new ObjectWriter(objects, budget, blobName(to), { length: size })
  try {
    for await (const chunk of readParts(objects, from, new AbortController().signal))
      await writer.append(chunk)
    await writer.finish()
  } catch (error) {
    await writer.abandon()
    throw error
  }
}

/** The bytes of all parts, in order. */
export async function* readParts(
  objects: S3Objects,
  { key, parts }: { readonly key: DataKey; readonly parts: readonly UploadPart[] },
  signal: AbortSignal,
  range: { readonly start: number; readonly end: number } = { start: 0, end: Infinity },
): ByteSource & AsyncGenerator<Uint8Array> {
  let before = 0
  for (const part of parts) {
    const start = Math.max(range.start - before, 0)
    const end = Math.min(range.end - before, part.used - 1)
    before += part.used
    if (start <= end) yield* streamObject(objects, partName(key, part), { start, end }, {}, signal)
  }
}

interface Slice {
  readonly name: string
  readonly start: number
  readonly end: number
}

/** False: the server cannot, or does not take these parts. */
async function copy(objects: S3Objects, slices: readonly Slice[], name: string): Promise<boolean> {
  const uploadId = await objects.begin(name, 'none')
  try {
    const parts: FinishedPart[] = []
    for (let first = 0; first < slices.length; first += atOnce) {
      const some = slices.slice(first, first + atOnce)
      parts.push(
        ...(await Promise.all(
          some.map((slice, index) => objects.copyPart({ name, uploadId }, first + index + 1, slice)),
        )),
      )
    }
    const size = slices.reduce((sum, { start, end }) => sum + end - start + 1, 0)
    await objects.complete({ name, uploadId }, parts, size)
    return true
  } catch (error) {
    await objects.abort({ name, uploadId }).catch(() => undefined)
    const isRefused =
      error instanceof S3Fault && !isPassing(error) && error.status !== 403 && error.status !== 404
    if (isRefused) return false
    throw error
  }
}

/** Pieces of equal length, none larger than one copy takes. */
function slicesOf(name: string, size: number): Slice[] {
  const count = Math.ceil(size / largestCopy)
  const length = Math.ceil(size / count)
  return Array.from({ length: count }, (_, index) => ({
    name,
    start: index * length,
    end: Math.min((index + 1) * length, size) - 1,
  }))
}
