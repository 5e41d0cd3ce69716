import type { SharedPolicies } from '../policy-generation.ts'
import { auditChange } from '../rules/change-outbox.ts'
import { relaxed, durable, type Transaction } from '../rules/change.ts'
import { none, policies } from '../rules/locks.ts'
import { ownStatement } from './own-statement.ts'

type Proposed = Parameters<SharedPolicies['bring']>[0]
type Brought = Awaited<ReturnType<SharedPolicies['bring']>>

interface InForce {
  readonly generation: number
  readonly identity: string
  readonly heard: number
}

/** Sets that were in force lately: content that comes back to a process late is known by them. */
const mostKnown = 1000

export const newestGeneration = ownStatement<{ generation: number }>(
  'policies.newest',
  'select generation from policy_in_force',
  [],
)
const findInForce = ownStatement<InForce>(
  'policies.inForce',
  `select generation, identity, (extract(epoch from clock_timestamp() - heard_at) * 1000)::bigint as heard
   from policy_in_force`,
  [],
)
const findSet = ownStatement<{ generation: number | null }>(
  'policies.set',
  'select max(generation) as generation from policy_set where identity = $1',
  ['identity'],
)
const addSet = ownStatement('policies.add', 'insert into policy_set (generation, identity) values ($1, $2)', [
  'generation',
  'identity',
])
const forgetSets = ownStatement(
  'policies.forget',
  `delete from policy_set where generation <= $1::bigint - ${mostKnown}`,
  ['generation'],
)
const putInForce = ownStatement(
  'policies.put',
  `insert into policy_in_force (generation, identity, heard_at) values ($1, $2, clock_timestamp())
   on conflict (one) do update
   set generation = excluded.generation, identity = excluded.identity, heard_at = excluded.heard_at`,
  ['generation', 'identity'],
)
const hold = ownStatement(
  'policies.hold',
  'update policy_in_force set heard_at = clock_timestamp() where generation = $1',
  ['generation'],
)

/** See `SharedPolicies.bring`. The lock waits for the changes that are judged and not committed yet. */
export const bringPolicies = durable(
  { locks: () => [policies] },
  async (transaction: Transaction, set: Proposed): Promise<Brought> => {
    const { identity, auditRecords, now } = set
    const inForce = await transaction.get(findInForce, {})
    if (inForce?.identity === identity) {
      const { generation } = inForce
      await transaction.run(hold, { generation })
      return { generation, newest: generation }
    }
    const known = (await transaction.get(findSet, { identity }))?.generation ?? undefined
    if (inForce !== undefined && !isNewer(set, inForce, known))
      return { generation: known ?? 0, newest: inForce.generation }
    const generation = (inForce?.generation ?? 0) + 1
    await transaction.run(addSet, { generation, identity })
    await transaction.run(forgetSets, { generation })
    await transaction.run(putInForce, { generation, identity })
    for (const { auditRecord, change } of auditRecords)
      await auditChange(transaction, { auditRecord, now }, () => ({ change: { ...change, generation } }))
    return { generation, newest: generation }
  },
)

export const holdPolicies = relaxed(
  { locks: none },
  async (transaction: Transaction, { generation }: { readonly generation: number }): Promise<void> => {
    await transaction.run(hold, { generation })
  },
)

function isNewer({ last, isWhole, silence }: Proposed, inForce: InForce, known: number | undefined): boolean {
  return last === inForce.generation || inForce.heard > silence || (isWhole && known === undefined)
}
