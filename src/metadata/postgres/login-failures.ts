import type { LoginFailure } from '../access-store.ts'
import { relaxed, type Transaction } from '../rules/change.ts'
import { alone } from '../rules/locks.ts'
import { ownStatement } from './own-statement.ts'

/** A count to which nothing was added for so long is forgotten. */
const forgetAfter = `interval '15 minutes'`
/** What is left of a count by now. */
const countNow = `case when failed_at < clock_timestamp() - ${forgetAfter} then 0
  else greatest(0, count - drain * extract(epoch from clock_timestamp() - failed_at)) end`

interface LookedUp {
  readonly key: string
  readonly count: number | null
  readonly age: number | null
  readonly seen: number | null
}

export const lookForFailures = ownStatement<LookedUp>(
  'failures.look',
  `select asked.key, ${countNow} as count, seen.seen_at as seen,
     (extract(epoch from clock_timestamp() - failed_at) * 1000)::bigint as age
   from (values ($1), ($2), ($3)) as asked (key)
   left join login_failure on login_failure.key = asked.key
   left join login_source as seen on seen.name = $4 and seen.network = $5`,
  ['pair', 'source', 'user', 'name', 'network'],
)
const add = ownStatement(
  'failures.add',
  `insert into login_failure (key, count, drain, failed_at)
   select key, count, drain, clock_timestamp() from json_to_recordset($1) as more (key text, count float8, drain float8)
   on conflict (key) do update set failed_at = excluded.failed_at,
     count = excluded.count + (select ${countNow} from login_failure as known where known.key = excluded.key)`,
  ['more'],
)
/** The time is a query of its own: the clock goes on within a statement, so no index is searched for it. */
const prune = ownStatement(
  'failures.prune',
  `delete from login_failure where key in (
     select key from login_failure where failed_at < (select clock_timestamp() - ${forgetAfter}) order by failed_at limit 1000)`,
  [],
)
const clear = ownStatement('failures.clear', 'delete from login_failure where key = $1', ['key'])

const locking = { locks: () => [alone('login failures')] }

export const addLoginFailures = relaxed(
  locking,
  async (transaction: Transaction, { more }: { readonly more: readonly LoginFailure[] }): Promise<void> => {
    await transaction.run(prune, {})
    await transaction.run(add, { more: JSON.stringify(more) })
  },
)

export const clearLoginFailures = relaxed(
  locking,
  async (transaction: Transaction, { key }: { readonly key: string }): Promise<void> => {
    await transaction.run(clear, { key })
  },
)
