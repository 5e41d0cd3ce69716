import pg from 'pg'

/** Object ids of types, in `pg_type` of every server. */
const oid = { bool: 16, bytea: 17, int8: 20, int4: 23, numeric: 1700, int4Array: 1007 } as const

/**
 * Values of rows as SQLite gives them: numbers for all whole numbers, 1 and 0 for booleans, Uint8Array for
 * bytes.
 */
export const rowTypes = {
  getTypeParser: ((type: number, format?: 'text' | 'binary') =>
    parsers.get(type) ?? pg.types.getTypeParser(type, format as 'text')) as typeof pg.types.getTypeParser,
}

const parsers = new Map<number, (text: string) => unknown>([
  [oid.bool, (text) => (text === 't' ? 1 : 0)],
  [oid.bytea, bytesOf],
  [oid.int8, Number],
  [oid.int4, Number],
  [oid.numeric, Number],
  [oid.int4Array, numbersOf],
])

/** `\x` and hexadecimal digits. */
function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.slice(2), 'hex'))
}

/** `{1,2}`. */
function numbersOf(text: string): readonly number[] {
  return text === '{}' ? [] : text.slice(1, -1).split(',').map(Number)
}
