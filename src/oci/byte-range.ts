/** Bytes `start` to `end`, both inclusive, counted from 0: the form of HTTP's Content-Range. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}
