import { ReadableStream } from 'node:stream/web'
import { createZstdDecompress, createGunzip } from 'node:zlib'
import { Readable } from 'node:stream'
import xz from 'xz-decompress'
import { readAr } from './ar-archive.ts'
import { readTar, type TarMember } from './tar-reader.ts'

export interface DebianPackage {
  /** The fields of its control file, as text. */
  readonly control: string
  readonly members: readonly TarMember[]
}

/**
 * Unpacks the wanted files of a package (deb(5), format 2.0). Throws Error with a readable message for
 * anything else.
 */
export async function readDebianPackage(
  archive: Buffer,
  wanted: (path: string) => boolean,
): Promise<DebianPackage> {
  const parts = readAr(archive)
  const version = parts.get('debian-binary')?.toString().trim()
  if (version === undefined || !version.startsWith('2.'))
    throw new Error('it is no Debian package of format 2')
  const [control] = await readTar(partOf(parts, 'control'), (path) => path === 'control')
  if (control === undefined) throw new Error('it has no control file')
  const members = await readTar(partOf(parts, 'data'), wanted)
  return { control: control.content.toString(), members }
}

function partOf(parts: ReadonlyMap<string, Buffer>, name: string): Readable | AsyncIterable<Uint8Array> {
  const [part, bytes] =
    [...parts].find(([key]) => key === `${name}.tar` || key.startsWith(`${name}.tar.`)) ?? []
  if (part === undefined || bytes === undefined) throw new Error(`it has no ${name}.tar`)
  const source = Readable.from([bytes])
  switch (part.slice(name.length + 4)) {
    case '':
      return source
    case '.xz':
      return unxz(bytes)
    case '.gz':
      return source.compose(createGunzip())
    case '.zst':
      return source.compose(createZstdDecompress())
    default:
      throw new Error(`${part} is compressed in a way that is not known here`)
  }
}

/** Decompresses an .xz file. */
export function unxz(bytes: Buffer): AsyncIterable<Uint8Array> {
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(bytes)
      controller.close()
    },
  })
  return new xz.XzReadableStream(source as never) as unknown as AsyncIterable<Uint8Array>
}
