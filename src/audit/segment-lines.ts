import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { errorCode } from '../error-code.ts'
import type { Segment } from './segment-folder.ts'

const newline = 0x0a

/** A line longer than this is no line of ours. */
const longestLine = 1024 * 1024

export interface RawLine {
  /** Without its newline. */
  readonly bytes: Buffer
  /** False: the file ends in the midst of it. */
  readonly whole: boolean
}

/**
 * The lines of a segment, compressed or not. One that was sealed since it was listed is read in its other form, one that
 * retention took has none. What cannot be decompressed ends it with a rejection.
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

async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<RawLine> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      yield { bytes: bytes.subarray(start, end), whole: true }
      start = end + 1
    }
    rest = bytes.subarray(start)
    if (rest.length > longestLine) {
      yield { bytes: rest.subarray(0, longestLine), whole: true }
      rest = Buffer.alloc(0)
    }
  }
  if (rest.length > 0) yield { bytes: rest, whole: false }
}

/** The first line of a segment; undefined when it has none. */
export async function firstLine(folder: string, segment: Segment): Promise<Buffer | undefined> {
  for await (const { bytes, whole } of segmentLines(folder, segment)) return whole ? bytes : undefined
  return undefined
}

export interface FileEnd {
  /** The whole lines at the end, oldest first; at least one where there is any. */
  readonly lines: readonly Buffer[]
  /** Bytes up to and with the last newline. */
  readonly wholeSize: number
  readonly size: number
}

/** How a segment that is not sealed ends. */
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
