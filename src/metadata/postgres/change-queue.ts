import { textOfKey, type LockKey } from '../rules/locks.ts'

/** What a change would lock. */
interface Locking {
  readonly keys: readonly LockKey[]
}

/**
 * Changes that wait for a transaction. A change that would wait for the locks of one that runs already is held back, with
 * all that would wait for it: in a transaction of its own it would occupy a connection and get no further, and
 * those that are held back form one larger transaction.
 */
export class ChangeQueue<Queued extends Locking> {
  #waiting: Queued[] = []
  readonly #running = new HeldKeys()

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  push(change: Queued): void {
    this.#waiting.push(change)
  }

  /** The changes of one transaction, at most `most`, in the order in which they came. `end` must follow for them. */
  take(most: number): readonly Queued[] {
    const taken: Queued[] = []
    const left: Queued[] = []
    const before = new HeldKeys()
    for (const change of this.#waiting) {
      const { keys } = change
      if (taken.length < most && !this.#running.meet(keys) && !before.meet(keys)) taken.push(change)
      else {
        left.push(change)
        before.add(keys)
      }
    }
    for (const { keys } of taken) this.#running.add(keys)
    this.#waiting = left
    return taken
  }

  /** The transaction of these changes is over. */
  end(changes: readonly Queued[]): void {
    for (const { keys } of changes) this.#running.remove(keys)
  }
}

/** Which locks are held, how often, shared and alone. */
class HeldKeys {
  readonly #held = new Map<string, { shared: number; alone: number }>()

  meet(keys: readonly LockKey[]): boolean {
    return keys.some((key) => {
      const held = this.#held.get(textOfKey(key))
      return held !== undefined && (held.alone > 0 || !key.shared)
    })
  }

  add(keys: readonly LockKey[]): void {
    for (const key of keys) {
      const held = this.#held.get(textOfKey(key)) ?? { shared: 0, alone: 0 }
      held[key.shared ? 'shared' : 'alone'] += 1
      this.#held.set(textOfKey(key), held)
    }
  }

  remove(keys: readonly LockKey[]): void {
    for (const key of keys) {
      const held = this.#held.get(textOfKey(key))
      if (held === undefined) continue
      held[key.shared ? 'shared' : 'alone'] -= 1
      if (held.shared + held.alone === 0) this.#held.delete(textOfKey(key))
    }
  }
}
