import type { DenialTable } from './denial-table.ts'
import type { AuditActor, AuditNote, PolicyNote } from './audit-note.ts'

/** What makes two accesses equal for the audit. */
export interface CountedAccess {
  /** One and the same object for one and the same caller: it is looked up by identity. */
  readonly actor: AuditActor
  readonly address: string
  readonly repository: string | undefined
  readonly reference: string | undefined
  readonly action: string
  readonly reason: string
  readonly status: number | undefined
  readonly policy?: readonly PolicyNote[] | undefined
}

/** Of all workers together, in a minute of the clock. */
export interface DenialLimits {
  /** Denials of one address that are lines of their own. */
  readonly ofAddress: number
  /** The same of all addresses together. */
  readonly inAll: number
  /** Addresses with a line for the rest of theirs; beyond, one line is for all. */
  readonly addresses: number
}

export const defaultDenialLimits: DenialLimits = { ofAddress: 30, inAll: 300, addresses: 300 }

const several = 'several'
const severalActors: AuditActor = {
  name: several,
  groups: [],
  kind: 'unknown',
  credentialId: undefined,
  serviceAccount: undefined,
  pod: undefined,
  node: undefined,
}
/** Beside the count of an address: it has a line for the rest of its denials. */
const hasLine = 1 << 15
/** What has come of the first of what is merged. */
const first = { none: 0, underway: 1, kept: 2 }
/** Milliseconds until a worker that records it counts as dead. */
const patience = 2000

/**
 * What keeps denials from filling the disk: above a rate those of one address are equal to each other, so that a minute
 * of them is one record, whichever workers they come to. Whom the registry knows keeps their name.
 */
export class DenialRation {
  readonly #table: DenialTable
  readonly #limits: DenialLimits

  constructor(table: DenialTable, limits: DenialLimits = defaultDenialLimits) {
    this.#table = table
    this.#limits = limits
  }

  /** Undefined: it is recorded as it is. Else as what it counts. `now`: milliseconds since the epoch. */
  merge(access: CountedAccess, now: number): CountedAccess | undefined {
    if (this.#isAlone(access.address, now)) return undefined
    const address = this.#hasLine(access.address, now) ? access.address : several
    const known = access.actor.kind !== 'unknown' && access.actor.kind !== 'anonymous'
    return {
      actor: known && address !== several ? access.actor : severalActors,
      address,
      repository: undefined,
      reference: undefined,
      action: several,
      reason: 'more denials than are recorded one by one: those of a minute are counted here',
      status: undefined,
    }
  }

  /**
   * Has `record` run by one of all workers in the minute of `now`, and resolves when it is done, by whichever: true where
   * it was this one. Rejects where it was this one and failed; then the next one tries.
   */
  async once(key: string, now: number, record: () => Promise<void>): Promise<boolean> {
    for (let waited = false; ; waited = true) {
      const found = this.#table.change(key, now, (state) => (state === first.none ? first.underway : state))
      if (found === first.kept) return false
      if (found === first.underway && !waited) {
        await this.#table.changed(key, now, first.underway, patience)
        continue
      }
      return this.#recordFirst(key, now, record)
    }
  }

  async #recordFirst(key: string, now: number, record: () => Promise<void>): Promise<true> {
    let state = first.none
    try {
      await record()
      state = first.kept
    } finally {
      this.#table.settle(key, now, state)
    }
    return true
  }

  #isAlone(address: string, now: number): boolean {
    const { ofAddress, inAll } = this.#limits
    const table = this.#table
    const countOf = (number: number): number => number & ~hasLine
    if (countOf(table.read(address, now)) >= ofAddress || !table.count('all', now, inAll)) return false
    const before = table.change(address, now, (number) => (countOf(number) < ofAddress ? number + 1 : number))
    return before !== undefined && countOf(before) < ofAddress
  }

  #hasLine(address: string, now: number): boolean {
    const table = this.#table
    if ((table.read(address, now) & hasLine) !== 0) return true
    if (!table.count('addresses', now, this.#limits.addresses)) return false
    return table.change(address, now, (number) => number | hasLine) !== undefined
  }
}

/** The note of what several denials count as, from that of the first of them. */
export function mergedNote(note: AuditNote, as: CountedAccess): AuditNote {
  const { actor, action, reason, address } = as
  return {
    ...note,
    action,
    reason,
    actor,
    repository: undefined,
    reference: undefined,
    client: { address, userAgent: '' },
    request: { ...note.request, route: '' },
    status: undefined,
    policy: undefined,
  }
}
