import { sql } from 'kysely'
import { either, parameter } from './query.ts'

// Conditions and columns that only PostgreSQL has.

/** SQLite's claims are in memory, and the changes ask there. */
export const isUnclaimed = either(
  sql<boolean>`true`,
  sql<boolean>`(upload.holder is null or upload.heard_at < clock_timestamp() - interval '15 seconds')`,
)

/** The rows stay as they are until the transaction is over. SQLite runs one change at a time. */
export const forShare = either(sql``, sql`for share`)

/**
 * The upload is held under the claim `fence`, or `fence` is null. Only where a request may lose its claim to
 * another one: what it still does then changes nothing.
 */
export const isLastClaim = either(
  sql<boolean>`true`,
  sql<boolean>`fence = coalesce(${parameter<number | null>('fence')}, fence)`,
)

/**
 * No upload has the key `key`. Only where a request may lose its claim to another one: what it staged may be
 * the other's by then.
 */
export const isInNoUpload = either(
  sql<boolean>`true`,
  sql<boolean>`not exists (select 1 from upload where data_key = ${parameter<string>('key')})`,
)

/**
 * True of every digest, tag and id in a list. PostgreSQL expects 100 elements of a list, and then rather reads a
 * whole repository than looks each up; of a range it expects one.
 */
export const fewValues = sql<boolean>`value collate "C" > '' and value collate "C" < '~'`

/**
 * What readers know an audit record by. In PostgreSQL, transactions commit in another order than they take
 * ids, so records get a place once they are committed.
 */
export const place = either(sql.ref<number>('id'), sql.ref<number>('place'))
