import { randomUUID } from 'node:crypto'
import type { Change } from '../rules/change.ts'
import type { LockKey } from '../rules/locks.ts'
import type { OutboxBound } from '../rules/outbox-bound.ts'
import { attemptKey, LockSet } from './advisory-locks.ts'
import { ConnectionLost } from './connection-errors.ts'
import type { Connection } from './connection.ts'
import { ownStatement } from './own-statement.ts'
import { PostgresTransaction } from './transaction.ts'

export interface RunChange {
  readonly change: Change<unknown, unknown>
  readonly values: unknown
}

export interface Committed {
  /** Names the transaction in the change log. */
  readonly attempt: string
  /** False: a crash of the server may lose it. */
  readonly isDurable: boolean
  readonly results: readonly unknown[]
  readonly slots: ReadonlySet<number>
}

/** The COMMIT was sent and not answered. `resolveAttempt` finds out whether it took effect. */
export class CommitUnanswered extends Error {
  readonly committed: Committed

  constructor(committed: Committed, cause: unknown) {
    super('the commit was not answered', { cause })
    this.name = 'CommitUnanswered'
    this.committed = committed
  }
}

const begin = 'begin isolation level read committed read write'
const relaxed = `${begin}; set local synchronous_commit = off`

/**
 * Runs the changes in one transaction. Rejects with the error of a change or of the server, and nothing was
 * changed; or with CommitUnanswered.
 */
export async function attemptChanges(
  connection: Connection,
  batch: readonly RunChange[],
  bound: OutboxBound,
): Promise<Committed> {
  const claims = batch.map(claimOf)
  const locks = new LockSet(await locksOf(connection, claims))
  const attempt = randomUUID()
  const transaction = new PostgresTransaction(connection, locks, bound)
  const isDurable = batch.some(({ change }) => change.durable)
  // Nothing waits here: the server runs what follows only after it has the locks.
  const opening = Promise.allSettled([
    transaction.watch(connection.run(isDurable ? begin : relaxed)),
    transaction.watch(locks.take(connection, attempt)),
  ])
  const results = new Map<RunChange, unknown>()
  const runs = await Promise.allSettled(
    groups(claims).map(async (group) => {
      for (const { one } of group) results.set(one, await one.change.run(transaction, one.values))
    }),
  )
  await opening
  const failed = runs.find((run) => run.status === 'rejected')
  if (transaction.failure !== undefined || failed !== undefined) {
    await connection.run('rollback').catch(() => {})
    throw transaction.failure ?? failed?.reason
  }
  const { slots } = transaction.touched
  const committed = { attempt, isDurable, results: batch.map((one) => results.get(one)), slots }
  await commit(connection, transaction, committed)
  return committed
}

async function commit(
  connection: Connection,
  transaction: PostgresTransaction,
  committed: Committed,
): Promise<void> {
  const [, answer] = await Promise.allSettled([
    transaction.watch(logAttempt(connection, committed)),
    connection.run('commit'),
  ])
  if (answer.status === 'fulfilled') {
    if (answer.value.command === 'COMMIT') return
    // Only an error makes a COMMIT roll back.
    throw transaction.failure as Error
  }
  if (answer.reason instanceof ConnectionLost) throw new CommitUnanswered(committed, answer.reason)
  throw answer.reason
}

async function logAttempt(connection: Connection, { attempt, slots }: Committed): Promise<void> {
  await connection.run(
    'insert into change_log (attempt, slots) values ($1, $2)',
    [attempt, [...slots]],
    'postgres.log',
  )
}

const loggedAttempt = ownStatement('attempt', 'select 1 from change_log where attempt = $1', ['attempt'])

/**
 * Whether the attempt was committed. Waits until its transaction is over, which the lock of the attempt shows,
 * and answers only after a durable commit of its own: what it has seen is then durable too.
 */
export async function resolveAttempt(connection: Connection, attempt: string): Promise<boolean> {
  await connection.run(begin)
  try {
    await connection.run('select pg_advisory_xact_lock($1::bigint)', [attemptKey(attempt)])
    const { rows } = await connection.ask(loggedAttempt, { attempt })
    await connection.run('insert into change_log (attempt, slots) values ($1, $2)', [randomUUID(), []])
    await connection.run('commit')
    return rows.length > 0
  } catch (error) {
    await connection.run('rollback').catch(() => {})
    throw error
  }
}

/** What a change of a transaction needs for itself. */
interface Claim {
  readonly one: RunChange
  readonly keys: readonly LockKey[]
  readonly parts: ReadonlySet<string> | undefined
}

function claimOf(one: RunChange): Claim {
  const { change, values } = one
  const parts = change.parts?.(values)
  return { one, keys: change.locks(values), parts: parts && new Set(parts) }
}

async function locksOf(connection: Connection, claims: readonly Claim[]): Promise<readonly LockKey[]> {
  const reads = {
    get: async <Row>(...asked: Parameters<typeof connection.ask<Row>>) =>
      (await connection.ask<Row>(...asked)).rows[0],
    all: async <Row>(...asked: Parameters<typeof connection.ask<Row>>) =>
      (await connection.ask<Row>(...asked)).rows,
  }
  const found = await Promise.all(
    claims.map(async ({ one: { change, values }, keys }) => [
      ...keys,
      ...((await change.find?.(reads, values)) ?? []),
    ]),
  )
  return found.flat()
}

/**
 * Changes of which one locks alone what another locks run one after another, in their order, unless they change nothing in
 * common; groups run side by side. A change whose locks depend on what is stored runs alone, and so does one that locks
 * nothing: it may be about anything.
 */
function groups(claims: readonly Claim[]): readonly (readonly Claim[])[] {
  if (claims.some(({ one, keys }) => one.change.find !== undefined || keys.length === 0)) return [claims]
  let grouped: (readonly Claim[])[] = []
  for (const claim of claims) {
    const near = grouped.filter((group) => group.some((other) => collide(claim, other)))
    grouped = [...grouped.filter((group) => !near.includes(group)), [...near.flat(), claim]]
  }
  return grouped
}

function collide(a: Claim, b: Claim): boolean {
  if (!a.keys.some((key) => b.keys.some((other) => meet(key, other)))) return false
  return a.parts === undefined || b.parts === undefined || !a.parts.isDisjointFrom(b.parts)
}

function meet(a: LockKey, b: LockKey): boolean {
  return a.kind === b.kind && a.name === b.name && !(a.shared && b.shared)
}
