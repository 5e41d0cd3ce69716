import type { DenialTable } from './denial-table.ts'
import { namedActor, type AuditActor, type AuditRecord, type PolicyRecord } from './audit-record.ts'

/** The fields by which two accesses count as equal in the audit. */
export interface CountedAccess {
  /** Compared by identity: the same caller must always have the same object. */
  readonly actor: AuditActor
  readonly address: string
  readonly repository: string | undefined
  readonly reference: string | undefined
  readonly action: string
  readonly reason: string
  readonly status: number | undefined
  readonly policy?: readonly PolicyRecord[] | undefined
}

/** Limits for all workers together, per minute of the clock. */
export interface DenialLimits {
  /** Denials of one address that are recorded individually. */
  readonly ofAddress: number
  /** Denials of all addresses together that are recorded individually. */
  readonly inAll: number
  /**
   * Addresses with a line of their own for their further denials; the denials of all other addresses share
   * one line.
   */
  readonly addresses: number
}

export const defaultDenialLimits: DenialLimits = { ofAddress: 30, inAll: 300, addresses: 300 }

const several = 'several'
const severalActors: AuditActor = namedActor('unknown', several)
/** A flag in the word of an address, beside its count: the address has a line for its further denials. */
const hasLine = 1 << 15
/** The state of the first record of merged denials. */
const first = { none: 0, underway: 1, kept: 2 }
/** Milliseconds until a worker that is recording it counts as dead. */
const patience = 2000

/**
 * Keeps denials from filling the disk. Above a rate, the denials of one address count as equal, so that a
 * minute of them is one record, whichever workers receive them. The record names the caller if the registry
 * knows the caller.
 */
export class DenialRation {
  readonly #table: DenialTable
  readonly #limits: DenialLimits

  constructor(table: DenialTable, limits: DenialLimits = defaultDenialLimits) {
    this.#table = table
    this.#limits = limits
  }

  /**
   * Undefined: the denial is recorded individually. Otherwise the access as which it is counted. `now`:
   * milliseconds since the epoch.
   */
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
   * Lets one of all workers run `record` in the minute of `now`, and resolves when it is done: with true if
   * this worker ran it. Rejects if this worker ran it and it failed; the next worker then tries.
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

/** Returns the audit record that stands for several denials, made from the record of the first. */
export function mergedAuditRecord(auditRecord: AuditRecord, as: CountedAccess): AuditRecord {
  const { actor, action, reason, address } = as
  return {
    ...auditRecord,
    action,
    reason,
    actor,
    repository: undefined,
    reference: undefined,
    client: { address, userAgent: '' },
    request: { ...auditRecord.request, route: '' },
    status: undefined,
    policy: undefined,
  }
}
