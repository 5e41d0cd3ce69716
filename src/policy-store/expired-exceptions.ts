import type { Instant } from '../instant.ts'

/** An exception as it was when it had expired; one that was changed since is another. */
export interface ExpiredException {
  readonly name: string
  readonly expires: Instant
  /** Of its `spec`. */
  readonly hash: string
}

/** Exceptions that were once seen expired, and so stay expired whatever a clock says later. */
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

  /** Those that a later clock could still take for live: none of a later process is behind `floor`. */
  kept(floor: Instant): readonly ExpiredException[] {
    return [...this.#known.values()].filter(({ expires }) => expires > floor)
  }
}

function keyOf({ name, expires, hash }: ExpiredException): string {
  return `${name} ${expires} ${hash}`
}
