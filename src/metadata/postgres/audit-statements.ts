import type { QueueKind } from '../rules/change-outbox.ts'
import { ownStatement } from './own-statement.ts'

interface HeadRow {
  readonly seq: number
  readonly hash: string
  readonly openFirst: number
  readonly openBytes: number
  readonly openedAt: number
}

interface SegmentRow {
  readonly first: number
  readonly last: number
  readonly hash: string
  readonly bytes: number
  readonly closedAt: number
  readonly state: 'closed' | 'sealed' | 'given up'
  readonly object: string | null
}

const headColumns = 'seq, hash, open_first as "openFirst", open_bytes as "openBytes", opened_at as "openedAt"'
const segmentColumns = 'first, last, hash, bytes, closed_at as "closedAt", state, object'

export const readHead = ownStatement<HeadRow>(
  'audit.head',
  `select ${headColumns} from audit_head where log = $1`,
  ['log'],
)
/** No row: another process is extending the chain. */
export const takeHead = ownStatement<HeadRow>(
  'audit.takeHead',
  `select ${headColumns} from audit_head where log = $1 for update skip locked`,
  ['log'],
)
/** Waits for who is extending the chain. */
export const lockHead = ownStatement<HeadRow>(
  'audit.lockHead',
  `select ${headColumns} from audit_head where log = $1 for update`,
  ['log'],
)
export const moveHead = ownStatement(
  'audit.moveHead',
  'update audit_head set seq = $2, hash = $3, open_first = $4, open_bytes = $5, opened_at = $6 where log = $1',
  ['log', 'seq', 'hash', 'openFirst', 'openBytes', 'openedAt'],
)
/** `lines`: a JSON list; the first of them gets the number after `after`. */
export const insertLines = ownStatement(
  'audit.insertLines',
  `insert into audit_line (log, seq, line)
     select $1, $2::bigint + place, line from json_array_elements_text($3::json) with ordinality as new(line, place)`,
  ['log', 'after', 'lines'],
)
export const readLines = ownStatement<{ readonly seq: number; readonly line: string }>(
  'audit.lines',
  'select seq, line from audit_line where log = $1 and seq > $2 order by seq limit $3',
  ['log', 'after', 'limit'],
)
export const deleteLines = ownStatement(
  'audit.deleteLines',
  'delete from audit_line where log = $1 and seq between $2 and $3',
  ['log', 'first', 'last'],
)
export const closeSegment = ownStatement(
  'audit.closeSegment',
  `insert into audit_segment (log, first, last, hash, bytes, closed_at, claimed_at, state)
     values ($1, $2, $3, $4, $5, $6, $6, 'closed')`,
  ['log', 'first', 'last', 'hash', 'bytes', 'now'],
)
export const segmentsOf = ownStatement<SegmentRow>(
  'audit.segments',
  `select ${segmentColumns} from audit_segment where log = $1 and state <> 'given up' order by first`,
  ['log'],
)
export const segmentsIn = ownStatement<SegmentRow>(
  'audit.segmentsIn',
  `select ${segmentColumns} from audit_segment where log = $1 and state = $2 order by first`,
  ['log', 'state'],
)
export const sealedAfter = ownStatement<SegmentRow>(
  'audit.sealedAfter',
  `select ${segmentColumns} from audit_segment where log = $1 and last > $2 and state = 'sealed' order by last limit 1`,
  ['log', 'after'],
)
export const claimSegment = ownStatement<SegmentRow>(
  'audit.claim',
  `update audit_segment set claimed_at = $2 where log = $1 and first = (
     select first from audit_segment where log = $1 and state = 'closed' and claimed_at <= $3
       order by first limit 1 for update skip locked
   ) returning ${segmentColumns}`,
  ['log', 'now', 'before'],
)
/** `bytes` is from then on what the object takes. No row: another process has done it. */
export const sealSegment = ownStatement<SegmentRow>(
  'audit.seal',
  `update audit_segment set state = 'sealed', object = $3, bytes = $4
     where log = $1 and first = $2 and state = 'closed' returning ${segmentColumns}`,
  ['log', 'first', 'object', 'bytes'],
)
export const giveUpSegments = ownStatement(
  'audit.giveUp',
  `update audit_segment set state = 'given up' where log = $1 and state = 'sealed' and first <= $2`,
  ['log', 'upTo'],
)
export const forgetSegment = ownStatement(
  'audit.forgetSegment',
  `delete from audit_segment where log = $1 and first = $2 and state = 'given up'`,
  ['log', 'first'],
)

/** The statements about the outbox of a log. */
export const queueStatements = {
  changes: queueOf('changes', 'outbox'),
  denials: queueOf('denials', 'denial_outbox'),
} as const

function queueOf(kind: QueueKind, table: string) {
  return {
    waits: ownStatement(`audit.waits.${kind}`, `select id from ${table} order by id limit 1`, []),
    /** Every row that is committed, whatever its number: numbers are committed in another order. */
    oldest: ownStatement<{
      readonly id: number
      readonly note: string | null
      readonly facts: string | null
    }>(`audit.oldest.${kind}`, `select id, note, facts from ${table} order by id limit $1`, ['limit']),
    /** `ids`: `{1,2}`. */
    remove: ownStatement(`audit.remove.${kind}`, `delete from ${table} where id = any($1::bigint[])`, [
      'ids',
    ]),
  }
}
