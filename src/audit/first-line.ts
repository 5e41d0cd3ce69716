import type { RawLine } from './audit-store.ts'
import { parseLine, type ChainedLine } from './chain.ts'

/** The first of these lines; undefined where there is none, or an invalid one. Reads no further. */
export async function firstLineOf(lines: AsyncIterable<RawLine>): Promise<ChainedLine | undefined> {
  for await (const { bytes, whole } of lines) return whole ? parseLine(bytes) : undefined
  return undefined
}
