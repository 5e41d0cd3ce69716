import { createReadStream, createWriteStream } from 'node:fs'
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { errorCode } from '../../../error-code.ts'
import { makeFolder } from '../../../new-folder.ts'
import type { Segment } from '../../audit-store.ts'
import { logNames, type LogName } from '../../chain.ts'

/**
 * The name of one file of a log: `changes-000000000001.jsonl`, with `.gz` once it is sealed. The number is that
 * of its first line.
 */
export function segmentName(log: LogName, first: number): string {
  return `${log}-${String(first).padStart(12, '0')}.jsonl`
}

const pattern = new RegExp(`^(${logNames.join('|')})-(\\d{12,15})\\.jsonl(\\.gz)?$`)
const unfinished = '.tmp'

/**
 * The segments of one log, ordered by first line. If a segment exists in both forms, the sealed one is
 * listed. Empty if the folder does not exist.
 */
export async function listSegments(folder: string, log: LogName): Promise<Segment[]> {
  const byFirst = new Map<number, Segment>()
  for (const file of (await namesIn(folder)).sort()) {
    const match = pattern.exec(file)
    if (match?.[1] !== log) continue
    const first = Number(match[2])
    byFirst.set(first, { log, first, sealed: match[3] !== undefined, file })
  }
  return [...byFirst.values()].sort((a, b) => a.first - b.first)
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

/**
 * The steps that change the folder, each little more than one system call. The process may end after any of
 * them.
 */
export class SegmentFolder {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  make(): void {
    makeFolder(this.path)
  }

  names(): Promise<string[]> {
    return namesIn(this.path)
  }

  create(name: string): Promise<FileHandle> {
    return open(join(this.path, name), 'wx+', 0o600)
  }

  open(name: string): Promise<FileHandle> {
    return open(join(this.path, name), 'r+')
  }

  async write(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten
    }
  }

  truncate(handle: FileHandle, size: number): Promise<void> {
    return handle.truncate(size)
  }

  flush(handle: FileHandle): Promise<void> {
    return handle.datasync()
  }

  /** Writes the compressed form, flushed, under a temporary name. */
  async compress(name: string): Promise<string> {
    const target = `${name}.gz${unfinished}`
    await pipeline(
      createReadStream(join(this.path, name)),
      createGzip(),
      createWriteStream(join(this.path, target), { mode: 0o600, flush: true }),
    )
    return target
  }

  /** Renames a temporary file to its final name. */
  rename(name: string): Promise<void> {
    return rename(join(this.path, name), join(this.path, name.slice(0, -unfinished.length)))
  }

  remove(name: string): Promise<void> {
    return rm(join(this.path, name), { force: true })
  }

  async flushFolder(): Promise<void> {
    const handle = await open(this.path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  async size(name: string): Promise<number> {
    return (await stat(join(this.path, name))).size
  }

  isUnfinished(name: string): boolean {
    return name.endsWith(unfinished)
  }
}
