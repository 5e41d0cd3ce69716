import type { Instant } from '../instant.ts'

/** An exception as it was when it expired. A later version of it counts as another exception. */
export interface ExpiredException {
  readonly name: string
  readonly expires: Instant
  /** The hash of its `spec`. */
  readonly hash: string
}

/** Exceptions that have expired once and stay expired whatever a clock says later. */
export class ExpiredExceptions {
  readonly #known = new Map<string, ExpiredException>()

  constructor(known: readonly ExpiredException[] = []) {
    for (const each of known) this.#known.set(keyOf(each), each)
  }

  has(exception: ExpiredException): boolean {
    return this.#known.has(keyOf(exception))
  }

  add(exception: ExpiredException): void {
    this.#known.set(keyOf(exception), exception)
  }

  /**
   * The exceptions that a later process could still take for valid; its clock never starts before `floor`.
   */
  kept(floor: Instant): readonly ExpiredException[] {
    return [...this.#known.values()].filter(({ expires }) => expires > floor)
  }
}

function keyOf({ name, expires, hash }: ExpiredException): string {
  return `${name} ${expires} ${hash}`
}
