import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { errorCode } from '../../../error-code.ts'
import type { RawLine, Segment } from '../../audit-store.ts'
import { splitLines } from '../split-lines.ts'

const newline = 0x0a

/**
 * Reads the lines of a segment, compressed or not. If the segment was sealed after it was listed, its
 * compressed form is read; if retention has removed it, there are no lines. Rejects where the file cannot be
 * decompressed.
 */
export async function* segmentLines(folder: string, segment: Segment): AsyncGenerator<RawLine> {
  const found =
    (await openFile(join(folder, segment.file), segment.sealed)) ??
    (await openFile(join(folder, `${segment.file}.gz`), true))
  if (found === undefined) return
  const file = found.handle.createReadStream({ highWaterMark: 256 * 1024 })
  const gunzip = found.sealed ? createGunzip() : undefined
  if (gunzip !== undefined) file.on('error', (error) => gunzip.destroy(error)).pipe(gunzip)
  try {
    yield* splitLines(gunzip ?? file)
  } finally {
    file.destroy()
    gunzip?.destroy()
  }
}

async function openFile(
  path: string,
  sealed: boolean,
): Promise<{ readonly handle: FileHandle; readonly sealed: boolean } | undefined> {
  try {
    return { handle: await open(path, 'r'), sealed }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

export interface FileEnd {
  /** The complete lines at the end, oldest first; at least one if the file has any. */
  readonly lines: readonly Buffer[]
  /** Bytes up to and including the last newline. */
  readonly wholeSize: number
  readonly size: number
}

/** Reads the end of a segment that is not sealed. */
export async function readEnd(path: string): Promise<FileEnd> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    for (let length = Math.min(size, 256 * 1024); ; length = Math.min(size, length * 4)) {
      const bytes = Buffer.alloc(length)
      await handle.read(bytes, 0, length, size - length)
      const last = bytes.lastIndexOf(newline)
      const before = length === size ? -1 : bytes.indexOf(newline)
      if ((last >= 0 && (length === size || before < last)) || length === size) {
        const lines = last < 0 ? [] : split(bytes.subarray(before + 1, last))
        return { lines, wholeSize: size - length + last + 1, size }
      }
    }
  } finally {
    await handle.close()
  }
}

function split(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let start = 0
  for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
    lines.push(bytes.subarray(start, end))
    start = end + 1
  }
  lines.push(bytes.subarray(start))
  return lines
}
