import { OciError } from '../../oci/oci-error.ts'
import type { Generations } from '../cache/generations.ts'
import { Overtaken, type Change } from '../rules/change.ts'
import type { LockKey } from '../rules/locks.ts'
import type { ChangeArguments, ChangeName, ChangeResult, ChangeRunner } from '../rules/changes.ts'
import type { OutboxBound } from '../rules/outbox-bound.ts'
import { AnsweredCommits } from './answered-commits.ts'
import {
  attemptChanges,
  CommitUnanswered,
  resolveAttempt,
  type Committed,
  type RunChange,
} from './attempt.ts'
import { ChangeQueue } from './change-queue.ts'
import { isAway, isConflict } from './connection-errors.ts'
import { asRefusal, patience, pause, type Link } from './link.ts'
import { postgresChanges, type PostgresChangeName, type PostgresChanges } from './postgres-changes.ts'

interface QueuedChange extends RunChange {
  readonly keys: readonly LockKey[]
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

const batchLimit = 16
/** Conflicts after which the changes of a batch are tried one by one. */
const conflictLimit = 3

/**
 * Runs the changes of one thread. Each lane is a connection with one transaction at a time, of up to 16
 * changes; changes that arrive meanwhile, or that would wait for a transaction of this thread, form the next.
 */
export class PostgresRunner implements ChangeRunner {
  readonly #generations: Generations
  readonly #bound: OutboxBound
  readonly #idle: Link[]
  readonly #lanes: readonly Link[]
  readonly #queue = new ChangeQueue<QueuedChange>()
  readonly #working = new Set<Promise<void>>()
  #isWaking = false
  readonly answered = new AnsweredCommits()

  constructor(parts: {
    readonly lanes: readonly Link[]
    readonly generations: Generations
    readonly bound: OutboxBound
  }) {
    this.#generations = parts.generations
    this.#bound = parts.bound
    this.#lanes = parts.lanes
    this.#idle = [...parts.lanes]
  }

  run<Name extends ChangeName>(name: Name, values: ChangeArguments<Name>): Promise<ChangeResult<Name>> {
    return this.runOwn(name, values as never) as Promise<ChangeResult<Name>>
  }

  /** Also runs the changes that only PostgreSQL has. */
  runOwn<Name extends PostgresChangeName>(
    name: Name,
    values: Parameters<PostgresChanges[Name]['run']>[1],
  ): Promise<Awaited<ReturnType<PostgresChanges[Name]['run']>>> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const change = postgresChanges[name] as unknown as Change<unknown, unknown>
    this.#queue.push({ change, values, keys: change.locks(values), resolve, reject })
    this.#wakeSoon()
    return promise as Promise<Awaited<ReturnType<PostgresChanges[Name]['run']>>>
  }

  /** PostgreSQL returns room by itself. */
  reclaim(): Promise<number> {
    return Promise.resolve(0)
  }

  /** Resolves when every requested change has been answered. */
  async close(): Promise<void> {
    while (this.#working.size > 0 || !this.#queue.isEmpty) {
      await new Promise(setImmediate)
      await Promise.allSettled(this.#working)
    }
    for (const lane of this.#lanes) lane.close()
  }

  /** Requests that have already arrived join the batch. */
  #wakeSoon(): void {
    if (this.#isWaking || this.#idle.length === 0) return
    this.#isWaking = true
    setImmediate(() => {
      this.#isWaking = false
      this.#wake()
    })
  }

  #wake(): void {
    for (let lane = this.#idle.at(-1); lane !== undefined; lane = this.#idle.at(-1)) {
      const batch = this.#queue.take(batchLimit)
      if (batch.length === 0) return
      this.#idle.pop()
      this.#begin(lane, batch)
    }
  }

  #begin(lane: Link, batch: readonly QueuedChange[]): void {
    const work = this.#batch(lane, batch).finally(() => {
      this.#queue.end(batch)
      this.#working.delete(work)
      this.#idle.push(lane)
      this.#wakeSoon()
    })
    this.#working.add(work)
  }

  async #batch(lane: Link, batch: readonly QueuedChange[]): Promise<void> {
    try {
      const { results } = await this.#commit(lane, batch)
      for (const [index, one] of batch.entries()) one.resolve(results[index])
    } catch (error) {
      const [only] = batch
      if (only === undefined) return
      if (batch.length === 1) only.reject(asRefusal(error))
      // Without the others, those that did not fail succeed. Where there is no server, none does.
      else if (isAway(error)) for (const one of batch) one.reject(asRefusal(error))
      else for (const one of batch) await this.#batch(lane, [one])
    }
  }

  /** Tries again after conflicts, and while the server is away for moments. */
  async #commit(lane: Link, batch: readonly QueuedChange[]): Promise<Committed> {
    const until = performance.now() + patience
    for (let conflicts = 0; ;) {
      try {
        return this.#applied(await lane.use((connection) => attemptChanges(connection, batch, this.#bound)))
      } catch (error) {
        if (error instanceof CommitUnanswered) {
          if (await this.#resolved(lane, error)) return this.#applied(error.committed)
        } else if (error instanceof Overtaken || isConflict(error)) {
          conflicts += 1
          if (batch.length > 1 && conflicts === conflictLimit) throw error
        } else if (!isAway(error)) throw error
        if (performance.now() >= until) throw givenUp(error)
        await pause(isAway(error) ? undefined : 2 ** Math.min(conflicts, 7))
      }
    }
  }

  /** Own changes are seen at once: the next barrier would tell of them, too. */
  #applied(committed: Committed): Committed {
    this.#generations.advance(committed.slots)
    if (committed.isDurable) this.answered.add(committed.attempt, performance.now())
    return committed
  }

  async #resolved(lane: Link, { committed }: CommitUnanswered): Promise<boolean> {
    return lane.repeat((connection) => resolveAttempt(connection, committed.attempt))
  }
}

/** What the last of several tries has failed with. */
function givenUp(error: unknown): unknown {
  if (error instanceof Overtaken || isConflict(error)) return busy(error)
  // It is known by now that nothing was committed: the server is away, and no more than that.
  return error instanceof CommitUnanswered ? error.cause : error
}

function busy(cause: unknown): OciError {
  return new OciError('UNAVAILABLE', 'the change met others again and again', {
    detail: 'many changes of the same content were under way; try again in a moment',
    cause,
  })
}
