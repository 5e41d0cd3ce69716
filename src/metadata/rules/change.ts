import type { Reference, Tag } from '../../oci/tag.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Digest } from '../../oci/digest.ts'
import { hashOf, linkKey, manifestKey, slotOf, tagListKey } from '../cache/generations.ts'
import type { Statement, Values } from './bind.ts'
import type { OutboxBound } from './outbox-bound.ts'

/** The transaction that a change runs in. SQLite answers at once, PostgreSQL later: always await. */
export interface Transaction {
  get<Row>(statement: Statement<Row>, values: Values): Row | undefined | Promise<Row | undefined>
  all<Row>(statement: Statement<Row>, values: Values): Row[] | Promise<Row[]>
  run(statement: Statement<unknown>, values: Values): Changed | Promise<Changed>
  /** What caches hold under these keys ends with this transaction. */
  readonly touched: TouchedKeys
  /** Ids of the uploads that some request is writing to. */
  readonly claimed: { has(upload: string): boolean }
  /** How much may wait in the outbox. */
  readonly bound: OutboxBound
  /** The policies in force; undefined where nobody judges. */
  readonly policy: { generation: number | undefined }
  /**
   * To be awaited in every loop over rows that a client chose the number of, with how many were worked on beyond one a
   * statement. Lets the thread go round where that has become much; the transaction goes on, and nothing comes between.
   */
  turn(rows?: number): void | Promise<void>
}

/** How many rows a loop over many gives to one statement. */
export const rowsAtOnce = 500

/** The parts of a list, each for one statement; none where it is empty. */
export function inParts<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  if (items.length === 0) return []
  if (items.length <= rowsAtOnce) return [items]
  const parts: (readonly Item[])[] = []
  for (let start = 0; start < items.length; start += rowsAtOnce) {
    parts.push(items.slice(start, start + rowsAtOnce))
  }
  return parts
}

export interface Changed {
  readonly changes: number
  readonly id: number
}

/** Their slots, of which there are no more than the table of generations has. */
export class TouchedKeys {
  readonly slots = new Set<number>()

  manifest(repository: RepositoryName, reference: Reference): void {
    this.#add(manifestKey(repository, reference))
  }

  /** Which tags there are, or that the repository is known at all. */
  tags(repository: RepositoryName): void {
    this.#add(tagListKey(repository))
  }

  /** What the tag means, and with that which tags there are. */
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

/** A named step with plain data: the checks that it relies on are inside it. */
export interface Change<Arguments, Result> {
  /** False: need not survive a power cut, only a crash of the process. */
  readonly durable: boolean
  readonly run: (transaction: Transaction, values: Arguments) => Promise<Result>
}

export function durable<Arguments, Result>(run: Change<Arguments, Result>['run']): Change<Arguments, Result> {
  return { durable: true, run }
}

export function relaxed<Arguments, Result>(run: Change<Arguments, Result>['run']): Change<Arguments, Result> {
  return { durable: false, run }
}
