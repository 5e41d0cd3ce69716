import type { ByteRange } from '../oci/byte-range.ts'

const rangeLimit = 200

/**
 * The ranges of a Range header over content of `size` bytes (RFC 9110, 14.2), cut to it. Undefined: the header is
 * to be ignored (another unit, malformed, too many or too much). Empty: none can be satisfied (416).
 */
export function parseRange(header: string, size: number): readonly ByteRange[] | undefined {
  if (size === 0 || !/^bytes=/i.test(header)) return undefined
  const parts = header.slice('bytes='.length).split(',')
  if (parts.length > rangeLimit) return undefined
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

/** `<start>-<end>` of a Content-Range request header, in the form of the distribution-spec or of RFC 9110. */
export function parseContentRange(header: string): ByteRange | undefined {
  const match = /^(?:bytes[ =])?\s*(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header.trim())
  if (match === null) return undefined
  const range = { start: Number(match[1]), end: Number(match[2]) }
  return range.end < range.start ? undefined : range
}

function parseOne(text: string, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^(\d{0,15})-(\d{0,15})$/.exec(text)
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
