import { hash } from 'node:crypto'

/**
 * The logs: `changes` has accesses that changed something and the audit's own events, `denials` has refused
 * accesses, `pulls` has allowed accesses that changed nothing. Each has its own size limit, so that events of
 * one kind cannot displace those of another.
 */
export type LogName = 'changes' | 'denials' | 'pulls'

export const logNames = ['changes', 'denials', 'pulls'] as const satisfies readonly LogName[]

/** Calls `of` for each log. */
export function eachLog<Value>(of: (log: LogName) => Value): Record<LogName, Value> {
  return { changes: of('changes'), denials: of('denials'), pulls: of('pulls') }
}

/** The state of a chain: the last line's number (from 1) and its hash (SHA-256, hexadecimal). */
export interface Link {
  readonly seq: number
  readonly hash: string
}

export const beginning: Link = { seq: 0, hash: '0'.repeat(64) }

export interface ChainedLine extends Link {
  readonly prev: string
  /** The exact bytes of the event, as UTF-8. */
  readonly event: Buffer
}

/**
 * `{"seq":…,"prev":"…","hash":"…","event":…}` without the newline. `event` must be JSON without raw newlines.
 */
export function chainLine(
  log: LogName,
  after: Link,
  event: string,
): { readonly line: string; readonly link: Link } {
  const seq = after.seq + 1
  const digest = lineHash(log, { seq, prev: after.hash, event })
  return {
    line: `{"seq":${seq},"prev":"${after.hash}","hash":"${digest}","event":${event}}`,
    link: { seq, hash: digest },
  }
}

const head = /^\{"seq":([1-9]\d{0,14}),"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})","event":\{/
const longestHead = 200

/** Undefined where the line is not exactly in the form that `chainLine` writes. Does not check the hash. */
export function parseLine(line: Buffer): ChainedLine | undefined {
  const [text, seq, prev, digest] = head.exec(line.toString('latin1', 0, longestHead)) ?? []
  if (text === undefined || prev === undefined || digest === undefined) return undefined
  if (line.at(-1) !== closing || line.at(-2) !== closing) return undefined
  return { seq: Number(seq), prev, hash: digest, event: line.subarray(text.length - 1, -1) }
}

const closing = '}'.charCodeAt(0)

/**
 * Whether the line is unchanged: its hash covers the log's name, its number, the hash of the line before, and
 * the event's bytes.
 */
export function isIntact(log: LogName, line: ChainedLine): boolean {
  return lineHash(log, line) === line.hash
}

function lineHash(
  log: LogName,
  line: { readonly seq: number; readonly prev: string; readonly event: string | Buffer },
): string {
  const covered = `trow-audit-v1\n${log}\n${line.seq}\n${line.prev}\n`
  return hash(
    'sha256',
    typeof line.event === 'string' ? covered + line.event : Buffer.concat([Buffer.from(covered), line.event]),
  )
}
