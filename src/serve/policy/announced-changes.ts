import type { Announced } from '../../audit/admission-event.ts'
import type { PolicyChange } from '../../policy-store/policy-change.ts'

/** Who changed a policy, as the webhook saw it. */
export interface SeenAuthor {
  readonly user: string
  readonly groups: readonly string[]
  /** The id of the webhook's own record. */
  readonly id: string
}

const mostKept = 1000

/**
 * Changes of policies that the webhook has let through, for the records of the changes themselves: the objects of a cluster
 * only say by which field manager. A change is found by its object and the hash of its spec, so one that was let through and
 * then not made is not taken for another.
 */
export class AnnouncedChanges {
  readonly #kept = new Map<string, SeenAuthor>()

  add(changes: readonly Announced[]): void {
    for (const { object, hash, user, groups, id } of changes) {
      const key = keyOf(object, hash)
      this.#kept.delete(key)
      this.#kept.set(key, { user, groups, id })
      if (this.#kept.size <= mostKept) continue
      const [oldest] = this.#kept.keys()
      if (oldest !== undefined) this.#kept.delete(oldest)
    }
  }

  /** Each is found once. Undefined: no webhook has announced it. */
  take({ kind, object, hash }: PolicyChange): SeenAuthor | undefined {
    if (kind === 'rejected') return undefined
    const key = keyOf(object, hash)
    const author = this.#kept.get(key)
    this.#kept.delete(key)
    return author
  }
}

function keyOf(object: string, hash: string | undefined): string {
  return `${object} ${hash ?? 'deleted'}`
}
