import type { ServingProcess } from '../serving-processes.ts'
import { relaxed, type Transaction } from '../rules/change.ts'
import { none } from '../rules/locks.ts'
import { ownStatement } from './own-statement.ts'

/** A process that was not heard for so long serves no more. */
const silence = `interval '30 seconds'`

const greet = ownStatement(
  'processes.greet',
  `insert into serving_process (id, name, settings, heard_at) values ($1, $2, $3, clock_timestamp())
   on conflict (id) do update set name = excluded.name, settings = excluded.settings, heard_at = excluded.heard_at`,
  ['id', 'name', 'settings'],
)
const others = ownStatement<ServingProcess>(
  'processes.others',
  `select id, name, settings from serving_process
   where id <> $1 and heard_at > clock_timestamp() - ${silence} order by name, id`,
  ['id'],
)
const remove = ownStatement(
  'processes.remove',
  `delete from serving_process where id = $1 or heard_at < clock_timestamp() - interval '1 day'`,
  ['id'],
)

export const meetProcesses = relaxed(
  { locks: none },
  async (transaction: Transaction, process: ServingProcess): Promise<readonly ServingProcess[]> => {
    const { id, name, settings } = process
    await transaction.run(greet, { id, name, settings })
    return transaction.all(others, { id })
  },
)

export const leaveProcesses = relaxed(
  { locks: none },
  async (transaction: Transaction, { id }: { readonly id: string }): Promise<void> => {
    await transaction.run(remove, { id })
  },
)
