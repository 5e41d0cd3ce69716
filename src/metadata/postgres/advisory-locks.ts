import { textOfKey, type LockKey } from '../rules/locks.ts'
import { hashOf } from '../cache/generations.ts'
import type { Connection } from './connection.ts'

/** The first of the two keys of our advisory locks: other programs that use the database have theirs. */
const namespace = 0x74726f77
/**
 * Keys are folded to so many locks: a manifest may name tens of thousands of digests, and the server's table
 * of locks is shared by all who use it.
 */
const stripes = 1024

/** The locks of one transaction, each once, in the order in which everybody takes them. */
export class LockSet {
  /** Stripe to whether it is held alone. */
  readonly #held = new Map<number, boolean>()

  constructor(keys: readonly LockKey[]) {
    for (const key of keys) {
      const stripe = stripeOf(key)
      this.#held.set(stripe, !key.shared || (this.#held.get(stripe) ?? false))
    }
  }

  holds(key: LockKey): boolean {
    const alone = this.#held.get(stripeOf(key))
    return alone !== undefined && (alone || key.shared)
  }

  /**
   * Takes the locks for the transaction. Also takes the lock of the attempt: who takes that too waits until
   * the transaction is over.
   */
  async take(connection: Connection, attempt: string): Promise<void> {
    const list = [...this.#held]
      .sort(([a], [b]) => a - b)
      .map(([stripe, alone]) => stripe * 2 + (alone ? 1 : 0))
    await connection.run(
      `select pg_advisory_xact_lock($1::bigint) union all
       select case when s % 2 = 1 then pg_advisory_xact_lock($2, s / 2) else pg_advisory_xact_lock_shared($2, s / 2) end
       from unnest($3::int[]) as s`,
      [attemptKey(attempt), namespace, list],
      'postgres.lock',
    )
  }
}

/** For a lock with one key of 64 bits: these never meet those with two keys. */
export function attemptKey(attempt: string): string {
  return BigInt.asIntN(64, BigInt(`0x${attempt.replaceAll('-', '').slice(0, 16)}`)).toString()
}

/** Held alone by who migrates the database. */
export const migrationKey = '8390880576440238080'

function stripeOf(key: LockKey): number {
  return hashOf(textOfKey(key)) & (stripes - 1)
}
