import type { Reference, Tag } from '../../oci/tag.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Digest } from '../../oci/digest.ts'
import { hashOf, linkKey, manifestKey, slotOf, tagListKey } from '../cache/generations.ts'
import type { Statement, Values } from './bind.ts'
import type { Instant } from '../../instant.ts'
import type { LockKey } from './locks.ts'
import type { OutboxBound } from './outbox-bound.ts'

/**
 * The transaction that a change runs in. SQLite answers synchronously, PostgreSQL would not: always await.
 */
export interface Transaction {
  get<Row>(statement: Statement<Row>, values: Values): Row | undefined | Promise<Row | undefined>
  all<Row>(statement: Statement<Row>, values: Values): Row[] | Promise<Row[]>
  run(statement: Statement<unknown>, values: Values): Changed | Promise<Changed>
  /** `get` with each of the values. PostgreSQL is asked for all of them at once. */
  getEach<Row>(
    statement: Statement<Row>,
    list: readonly Values[],
  ): (Row | undefined)[] | Promise<(Row | undefined)[]>
  /** `run` with each of the values, at once as `getEach`. */
  runEach(statement: Statement<unknown>, list: readonly Values[]): Changed[] | Promise<Changed[]>
  /**
   * `run` where the change needs no answer: it does not wait for one. What it sends afterwards runs afterwards. If
   * the statement fails, the transaction does, at its commit at the latest.
   */
  send(statement: Statement<unknown>, values: Values): void
  /** How many rows are handled by a statement each, and how many by one statement with a list. */
  readonly rows: StatementRows
  /** Keys whose cached values this transaction invalidates. */
  readonly touched: TouchedKeys
  /** Ids of the uploads that a request is writing to. */
  readonly claimed: { has(upload: string): boolean }
  /** How many audit records may wait in the outbox. */
  readonly bound: OutboxBound
  /**
   * The id for a manifest that is about to be inserted, where waiting for the id of an inserted row costs a round trip;
   * undefined: the insertion tells it.
   */
  newManifestId(): number | undefined | Promise<number | undefined>
  /** Of the policies in force; undefined when no policies are enforced. */
  policyGeneration(): number | undefined | Promise<number | undefined>
  /**
   * Whether the transaction has the lock. What a change finds while it runs, and has no lock for, waits for
   * its next run.
   */
  holds(key: LockKey): boolean
  /** The time by the engine's clock, where it has one: processes may disagree about theirs. */
  clock(own: Instant): Instant | Promise<Instant>
  /**
   * Must be awaited in every loop whose number of rows a client chooses, with the number of rows handled
   * beyond one per statement. It yields the event loop after enough work. The transaction stays open, and no
   * other change runs in between.
   */
  turn(rows?: number): void | Promise<void>
}

/**
 * Another transaction has changed what this one has read. Nothing was changed; the change must run again.
 * SQLite never meets this.
 */
export class Overtaken extends Error {
  constructor() {
    super('another transaction has changed what this one has read')
    this.name = 'Overtaken'
  }
}

/** `next` of a value that may have to be waited for. SQLite answers at once: then no promise is made. */
export function after<Value, Result>(
  value: Value | Promise<Value>,
  next: (value: Value) => Result | Promise<Result>,
): Result | Promise<Result> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/**
 * What all of them come to. Unlike `Promise.all` it rejects only when all are over: what one of them did after the
 * failure of another would not be in the transaction any more.
 */
export function together<const All extends readonly unknown[]>(
  all: All,
): Together<All> | Promise<Together<All>> {
  // SQLite has answered most of them already.
  const late = all.filter((one) => one instanceof Promise)
  return late.length === 0 ? (all as Together<All>) : withLate(all, late)
}

type Together<All extends readonly unknown[]> = { -readonly [Index in keyof All]: Awaited<All[Index]> }

async function withLate<All extends readonly unknown[]>(
  all: All,
  late: readonly unknown[],
): Promise<Together<All>> {
  await Promise.allSettled(late)
  const values: unknown[] = []
  for (const one of all) values.push(one instanceof Promise ? await one : one)
  return values as Together<All>
}

/** Rows that one statement handles in a loop over many rows. */
export const rowsAtOnce = 500

export interface StatementRows {
  /** Up to so many rows, one statement for each is faster than one with a list. */
  readonly few: number
  /** The longest list of one statement. */
  readonly most: number
}

/** Splits a list into parts of at most `most` items, each for one statement; no parts for an empty list. */
export function inParts<Item>(
  items: readonly Item[],
  { most }: Pick<StatementRows, 'most'>,
): readonly (readonly Item[])[] {
  if (items.length === 0) return []
  if (items.length <= most) return [items]
  const parts: (readonly Item[])[] = []
  for (let start = 0; start < items.length; start += most) {
    parts.push(items.slice(start, start + most))
  }
  return parts
}

export interface Changed {
  readonly changes: number
  readonly id: number
}

/** The slots of the touched keys. There are never more than the table of generations has. */
export class TouchedKeys {
  readonly slots = new Set<number>()

  manifest(repository: RepositoryName, reference: Reference): void {
    this.#add(manifestKey(repository, reference))
  }

  /** For a change of the repository's set of tags, or of its existence. */
  tags(repository: RepositoryName): void {
    this.#add(tagListKey(repository))
  }

  /** For a change of the tag's target, which may also change the set of tags. */
  tag(repository: RepositoryName, tag: Tag): void {
    this.#add(manifestKey(repository, tag))
    this.#add(tagListKey(repository))
  }

  link(repository: RepositoryName, digest: Digest): void {
    this.#add(linkKey(repository, digest))
  }

  #add(key: string): void {
    this.slots.add(slotOf(hashOf(key)))
  }
}

/** A named step that takes plain data. It checks its own preconditions inside the transaction. */
export interface Change<Arguments, Result> {
  /** False: the change must survive a crash of the process, but need not survive a power cut. */
  readonly durable: boolean
  /** What it locks; see `LockKey`. */
  readonly locks: (values: Arguments) => readonly LockKey[]
  /**
   * What it changes under its locks. Changes that lock the same, and change nothing in common, may run side by side in one
   * transaction, whose statements see each other's rows; in two transactions they wait for each other.
   */
  readonly parts?: (values: Arguments) => readonly string[]
  /** For a change whose locks depend on what is stored: returns them from reads before its transaction. */
  readonly find?: FindLocks<Arguments>
  readonly run: (transaction: Transaction, values: Arguments) => Promise<Result>
}

export type FindLocks<Arguments> = (
  database: Pick<Transaction, 'get' | 'all'>,
  values: Arguments,
) => Promise<readonly LockKey[]>

interface Locking<Arguments> {
  readonly locks: Change<Arguments, unknown>['locks']
  readonly parts?: (values: Arguments) => readonly string[]
  readonly find?: FindLocks<Arguments>
}

export function durable<Arguments, Result>(
  locking: Locking<Arguments>,
  run: Change<Arguments, Result>['run'],
): Change<Arguments, Result> {
  return { durable: true, ...locking, run }
}

export function relaxed<Arguments, Result>(
  locking: Locking<Arguments>,
  run: Change<Arguments, Result>['run'],
): Change<Arguments, Result> {
  return { durable: false, ...locking, run }
}
