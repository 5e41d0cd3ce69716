import { relaxed, type Transaction } from '../rules/change.ts'
import { alone } from '../rules/locks.ts'
import type { QueueKind } from '../rules/change-outbox.ts'
import { ownStatement } from './own-statement.ts'

const heads = {
  changes: placing('outbox', 'changes'),
  denials: placing('denial_outbox', 'denials'),
} as const

/**
 * Gives the committed audit records that have no place yet the places after the last one, so that none is
 * ever committed at or below a place that was read.
 */
export const placeRecords = relaxed(
  { locks: ({ kind }: { readonly kind: QueueKind }) => [alone(`outbox:${kind}`)] },
  async (transaction: Transaction, { kind }: { readonly kind: QueueKind }): Promise<void> => {
    const { place, moveHead } = heads[kind]
    const { changes } = await transaction.run(place, {})
    if (changes > 0) await transaction.run(moveHead, { placed: changes })
  },
)

function placing(table: string, kind: QueueKind) {
  return {
    place: ownStatement(
      `place.${kind}`,
      `update ${table} set place = placed.place from (
         select waiting.id, row_number() over (order by waiting.id) + (select place from outbox_head where kind = '${kind}') as place
         from (select id from ${table} where place is null order by id limit 1000) as waiting
       ) as placed where ${table}.id = placed.id`,
      [],
    ),
    moveHead: ownStatement(
      `head.${kind}`,
      `update outbox_head set place = place + $1 where kind = '${kind}'`,
      ['placed'],
    ),
  }
}
