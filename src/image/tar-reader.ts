import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import tar from 'tar-stream'

export interface TarMember {
  /** As in the archive, without a leading `./`. */
  readonly path: string
  readonly kind: 'file' | 'link'
  readonly mode: number
  /** Empty for a link. */
  readonly content: Buffer
  /** Empty for a file. */
  readonly target: string
}

/** Returns the wanted files and symbolic links. Rejects if the archive is no tar or ends too early. */
export async function readTar(
  archive: AsyncIterable<Uint8Array>,
  wanted: (path: string) => boolean,
): Promise<TarMember[]> {
  const extract = tar.extract()
  const source = Readable.from(archive).on('error', (error) => extract.destroy(error))
  source.pipe(extract)
  const members: TarMember[] = []
  for await (const entry of extract) {
    const { name, type, mode, linkname } = entry.header
    const path = name.replace(/^(\.\/)+/, '')
    if (type === 'file' && wanted(path)) {
      members.push({ path, kind: 'file', mode, content: await buffer(entry), target: '' })
      continue
    }
    if (type === 'symlink' && wanted(path))
      members.push({ path, kind: 'link', mode: 0o777, content: Buffer.alloc(0), target: linkname ?? '' })
    entry.resume()
  }
  return members
}
