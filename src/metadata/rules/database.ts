import type { Instant } from '../../instant.ts'
import type { Statement, Values } from './bind.ts'

/** Values of a statement that returns rows after `after`, at most `limit`. */
export type PagedValues = Values & { readonly after: string; readonly limit: number }

/** A source of reads. SQLite answers synchronously, a server would not: always await. */
export interface Database {
  get<Row>(statement: Statement<Row>, values: Values): Row | undefined | Promise<Row | undefined>
  all<Row>(statement: Statement<Row>, values: Values): Row[] | Promise<Row[]>
  /**
   * Passes rows to `take` one by one until it returns false; few rows beyond that are read. The statement has
   * the parameters `after` and `limit`; `place` is the column that `after` is about.
   */
  each<Row>(
    statement: Statement<Row>,
    values: PagedValues,
    rows: { readonly place: (row: Row) => string; readonly take: (row: Row) => boolean },
  ): undefined | Promise<undefined>
  /** The time by the engine's clock, where it has one. */
  clock(own: Instant): Instant | Promise<Instant>
  /** Makes the caches show every change that was answered before the call; undefined: they do. */
  fresh(): undefined | Promise<Freshness>
}

/**
 * `stale`: nobody can tell whether the caches are fresh, and what they hold may be served as that; a read of
 * anything else rejects with `refusal`.
 */
export type Freshness = 'fresh' | { readonly stale: true; readonly refusal: unknown }
