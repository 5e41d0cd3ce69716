import type { RawLine } from '../audit-store.ts'

const newline = 0x0a
/** No line that trow writes is longer. */
const longestLine = 1024 * 1024

/** Splits the bytes of a segment. A line that is longer than any that trow writes comes in parts. */
export async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<RawLine> {
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
