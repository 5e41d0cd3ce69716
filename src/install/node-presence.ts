import type { Absence } from './patient-objects.ts'

/**
 * Milliseconds for which a node counts as present although it is not Ready, or its report is outdated: kubelets renew
 * their leases every 10 s and agents their reports every 30 s, and after an outage of the API server both come late.
 */
const comeback = 60_000

/** Tells nodes that are away from nodes that look so after an outage of the API server, or for a moment. */
export class NodePresence {
  readonly #absence: () => Absence
  readonly #now: () => number
  readonly #seen = new Map<string, number>()

  constructor({ absence, now }: { readonly absence: () => Absence; readonly now: () => number }) {
    this.#absence = absence
    this.#now = now
  }

  /** `seen`: whether the node shows itself at this look. A node that has not done so since the first look is away. */
  isPresent(node: string, seen: boolean): boolean {
    const now = this.#now()
    if (seen) this.#seen.set(node, now)
    const last = Math.max(this.#seen.get(node) ?? -Infinity, this.#absence().back ?? -Infinity)
    return now - last < comeback
  }
}
