import type { AuditActor, AuditNote } from './event.ts'
import type { Access } from './access-merger.ts'

/** Of one worker, in a minute. */
export interface DenialLimits {
  /** Denials of one address that are lines of their own. */
  readonly ofAddress: number
  /** The same of all addresses together. */
  readonly inAll: number
  /** Addresses with a line for the rest of theirs; beyond, one line is for all. */
  readonly addresses: number
}

export const defaultDenialLimits: DenialLimits = { ofAddress: 30, inAll: 300, addresses: 300 }

const minute = 60_000
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

/**
 * What keeps denials from filling the disk: above a rate those of one address are equal to each other, so that a minute
 * of them is one record. Whom the registry knows keeps their name.
 */
export class DenialRation {
  readonly #limits: DenialLimits
  #end = 0
  #all = 0
  readonly #alone = new Map<string, number>()
  readonly #merged = new Set<string>()

  constructor(limits: DenialLimits = defaultDenialLimits) {
    this.#limits = limits
  }

  /** Undefined: it is recorded as it is. Else as what it counts. `now`: milliseconds since the epoch. */
  merge(access: Access, now: number): Access | undefined {
    if (now >= this.#end || now < this.#end - minute) this.#begin(now)
    const { ofAddress, inAll, addresses } = this.#limits
    const alone = this.#alone.get(access.address) ?? 0
    if (alone < ofAddress && this.#all < inAll) {
      this.#alone.set(access.address, alone + 1)
      this.#all++
      return undefined
    }
    const address =
      this.#merged.has(access.address) || this.#merged.size < addresses ? access.address : several
    if (address !== several) this.#merged.add(address)
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

  #begin(now: number): void {
    this.#end = now + minute
    this.#all = 0
    this.#alone.clear()
    this.#merged.clear()
  }
}

/** The note of what several denials count as, from that of the first of them. */
export function mergedNote(note: AuditNote, as: Access): AuditNote {
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
  }
}
