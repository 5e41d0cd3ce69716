import { counted } from '../counted.ts'
import type { ByteRange } from '../oci/byte-range.ts'
import { HttpRefusal } from './http-refusal.ts'

/** Clients of zstd:chunked ask for up to 1,024 parts at once. */
const rangeLimit = 1024

/**
 * The ranges of a Range header over content of `size` bytes (RFC 9110, 14.2), cut to it. Undefined: the
 * header is to be ignored (another unit, malformed, or more bytes than the content). Empty: no range can be
 * satisfied (416). Throws REQUEST_INVALID (400) for more than 1,024 ranges: the client then asks for fewer,
 * whereas the whole content would cost it what the ranges save.
 */
export function parseRange(header: string, size: number): readonly ByteRange[] | undefined {
  if (size === 0 || !/^bytes=/i.test(header)) return undefined
  const parts = header.slice('bytes='.length).split(',')
  if (parts.length > rangeLimit) throw tooMany(parts.length)
  const ranges: ByteRange[] = []
  let total = 0
  for (const part of parts) {
    const text = part.trim()
    if (text === '') continue
    const range = parseOne(text, size)
    if (range === undefined) return undefined
    if (range === 'unsatisfiable') continue
    ranges.push(range)
    total += range.end - range.start + 1
  }
  return total > size && ranges.length > 1 ? undefined : ranges
}

/**
 * `<start>-<end>` of a Content-Range request header, in the form of the distribution-spec or of RFC 9110.
 * Undefined: the header is not valid (RFC 9110, 14.4). A number beyond the exact integers becomes the largest
 * of them.
 */
export function parseContentRange(header: string): ByteRange | undefined {
  const match = /^(?:bytes[ =])?\s*(\d+)-(\d+)(?:\/(\d+|\*))?$/i.exec(header.trim())
  if (match === null) return undefined
  const [, start, end, complete = '*'] = match
  const range = { start: exact(start), end: exact(end) }
  if (range.end < range.start || (complete !== '*' && Number(complete) <= range.end)) return undefined
  return range
}

function exact(digits: string | undefined): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER)
}

function tooMany(count: number): HttpRefusal {
  return new HttpRefusal(400, 'REQUEST_INVALID', 'the request has too many ranges', {
    detail: `${counted(count, 'range')}: ask for at most ${rangeLimit} at once`,
  })
}

function parseOne(text: string, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^(\d*)-(\d*)$/.exec(text)
  if (match === null) return undefined
  const [, first = '', last = ''] = match
  if (first === '') {
    if (last === '') return undefined
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  if (start >= size) return 'unsatisfiable'
  if (last === '') return { start, end: size - 1 }
  const end = Number(last)
  return end < start ? 'unsatisfiable' : { start, end: Math.min(end, size - 1) }
}
