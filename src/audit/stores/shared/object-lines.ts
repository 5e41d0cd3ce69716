import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import type { AuditObjects } from '../../../blobs/audit-objects.ts'
import type { ByteSource } from '../../../blobs/blob-store.ts'
import { AuditAway, reach } from '../../audit-away.ts'
import type { RawLine } from '../../audit-store.ts'
import { splitLines } from '../split-lines.ts'

/**
 * The lines of an object; none if there is no such object. Rejects where it cannot be decompressed, and with
 * AuditAway where it cannot be read.
 */
export async function* objectLines(
  objects: Pick<AuditObjects, 'open'>,
  name: string,
): AsyncGenerator<RawLine> {
  const source = await reach(() => objects.open(name))
  if (source === undefined) return
  const file = Readable.from(reached(source), { objectMode: false })
  const gunzip = createGunzip()
  file.on('error', (error) => gunzip.destroy(error)).pipe(gunzip)
  try {
    yield* splitLines(gunzip)
  } finally {
    file.destroy()
    gunzip.destroy()
  }
}

async function* reached(source: ByteSource): AsyncGenerator<Uint8Array> {
  try {
    // Copied: the stream reads ahead, and a chunk is valid only until the next one is requested.
    for await (const chunk of source) yield Uint8Array.from(chunk)
  } catch (error) {
    throw new AuditAway(error)
  }
}

/** The bytes of an object that has these lines. */
export async function compressLines(lines: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  await pipeline(lines, createGzip(), async (compressed: AsyncIterable<Buffer>) => {
    for await (const chunk of compressed) chunks.push(chunk)
  })
  return Buffer.concat(chunks)
}
