import { open, type FileHandle } from 'node:fs/promises'

/** The position of an entry's content in a tar. */
export interface TarEntry {
  readonly offset: number
  readonly size: number
  /** The target of a link, which has no content of its own; unchanged from the archive. */
  readonly link?: { readonly target: string; readonly hard: boolean }
}

const block = 512
/** Bytes. No header with a name is longer. */
const longestExtension = 1024 * 1024

/**
 * Reads the headers of a tar (POSIX.1-2017 pax, with ustar and GNU's long names and sizes) and none of its
 * content. Of two entries with one name the last one counts. Throws NoTar.
 */
export async function indexTar(path: string): Promise<ReadonlyMap<string, TarEntry>> {
  const file = await open(path)
  try {
    return await indexOpen(file)
  } finally {
    await file.close()
  }
}

/** The file is not a tar, or it ends too early. */
export class NoTar extends Error {
  override readonly name = 'NoTar'
}

async function indexOpen(file: FileHandle): Promise<ReadonlyMap<string, TarEntry>> {
  const entries = new Map<string, TarEntry>()
  const { size: end } = await file.stat()
  let next: Extension = {}
  for (let at = 0; at + block <= end;) {
    const header = await read(file, at, block)
    if (header.every((byte) => byte === 0)) return entries
    if (!hasChecksum(header)) throw new NoTar(`no header of a tar at byte ${at}`)
    const size = next.size ?? numberAt(header, 124, 12)
    const content = at + block
    at = content + Math.ceil(size / block) * block
    if (!Number.isSafeInteger(size) || size < 0 || content + size > end) throw new NoTar('it ends too early')
    const type = String.fromCharCode(header[156] ?? 0)
    if (type === 'x' || type === 'L' || type === 'K') {
      if (size > longestExtension) throw new NoTar('a name is too long')
      const text = (await read(file, content, size)).toString()
      if (type === 'L') next = { ...next, path: text.replace(/\0.*$/s, '') }
      else if (type === 'K') next = { ...next, link: text.replace(/\0.*$/s, '') }
      else next = { ...next, ...paxOf(text) }
      continue
    }
    const name = normal(next.path ?? nameOf(header))
    const target = next.link ?? textAt(header, 157, 100)
    if (type === '1' || type === '2') {
      entries.set(name, { offset: content, size: 0, link: { target, hard: type === '1' } })
    } else if (type === '0' || type === '\0' || type === '7') entries.set(name, { offset: content, size })
    next = {}
  }
  if (entries.size === 0) throw new NoTar('it has no entries')
  return entries
}

/** Fields of a header that apply to the next entry. */
interface Extension {
  readonly path?: string
  readonly link?: string
  readonly size?: number
}

/** Records of a pax header: `27 path=some/name\n`. The number is the record's length in bytes. */
function paxOf(text: string): Extension {
  const bytes = Buffer.from(text)
  let found: Extension = {}
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at)
    const length = Number(bytes.toString('latin1', at, space))
    if (space < 0 || !Number.isInteger(length) || length <= space - at + 1) return found
    const [key, ...value] = bytes.toString('utf8', space + 1, at + length - 1).split('=')
    const joined = value.join('=')
    if (key === 'path') found = { ...found, path: joined }
    else if (key === 'linkpath') found = { ...found, link: joined }
    else if (key === 'size') found = { ...found, size: Number(joined) }
    at += length
  }
  return found
}

function hasChecksum(header: Buffer): boolean {
  let sum = 0
  for (const [index, byte] of header.entries()) sum += index >= 148 && index < 156 ? 32 : byte
  return sum === numberAt(header, 148, 8)
}

/** Octal, or GNU's base 256 if the first bit is set. */
function numberAt(header: Buffer, offset: number, length: number): number {
  const field = header.subarray(offset, offset + length)
  if (((field[0] ?? 0) & 0x80) === 0) {
    const digits = /^[ \0]*([0-7]*)/.exec(field.toString('latin1'))?.[1] ?? ''
    return digits === '' ? 0 : Number.parseInt(digits, 8)
  }
  return field.subarray(1).reduce((sum, byte) => sum * 256 + byte, (field[0] ?? 0) & 0x7f)
}

function nameOf(header: Buffer): string {
  const prefix = header.toString('latin1', 257, 262) === 'ustar' ? textAt(header, 345, 155) : ''
  const name = textAt(header, 0, 100)
  // GNU's own format has other fields where ustar has the prefix.
  return prefix === '' || header.toString('latin1', 257, 265) === 'ustar  \0' ? name : `${prefix}/${name}`
}

function textAt(header: Buffer, offset: number, length: number): string {
  return header.toString('utf8', offset, offset + length).replace(/\0.*$/s, '')
}

function normal(name: string): string {
  return name.replace(/^(?:\.?\/)+/, '')
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await file.read(buffer, 0, length, position)
  if (bytesRead < length) throw new NoTar('it ends too early')
  return buffer
}
