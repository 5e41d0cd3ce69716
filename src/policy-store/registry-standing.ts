import type { Instant } from '../instant.ts'
import type { BroughtPolicies, NewestPolicies, PolicyDatabase, ProposedPolicies } from './policy-database.ts'
import type { PolicyChange } from './policy-change.ts'
import type { PolicyPoll } from './policy-poll.ts'

/** The other processes that serve the registry, as far as policies are concerned. */
export interface RegistryProcesses {
  readonly database: Pick<PolicyDatabase, 'bring' | 'hold'>
  readonly poll: Pick<PolicyPoll, 'listen'>
  /** What the audit is told of changes: `ProposedPolicies.auditRecords`. */
  readonly auditRecords: (changes: readonly PolicyChange[]) => ProposedPolicies['auditRecords']
}

export interface Standing {
  /** Of the policies in the whole registry. */
  readonly generation: number
  /** Whether the changes are on record. */
  readonly isRecorded: boolean
}

/** Milliseconds: how old the word of a process becomes before it is given again, and before it is given up. */
const renewal = 5000
const silence = 15_000

/**
 * Where the policies of this process stand among those of all processes of its registry: equal policies have one
 * generation everywhere, and a process that is behind does not set it back.
 */
export class RegistryStanding {
  readonly #registry: RegistryProcesses | undefined
  readonly #onChange: () => void
  readonly #onNote: () => void
  #mine: { readonly identity: string; readonly generation: number } | undefined
  #newest: NewestPolicies | undefined
  #isDoubtful = false

  /**
   * `registry` undefined: there is no other process. `onChange`: `bring` may have another answer now. `onNote`: `note` has
   * changed.
   */
  constructor({
    registry,
    onChange,
    onNote,
  }: {
    readonly registry: RegistryProcesses | undefined
    readonly onChange: () => void
    readonly onNote: () => void
  }) {
    this.#registry = registry
    this.#onChange = onChange
    this.#onNote = onNote
    registry?.poll.listen({ looked: ({ newest }) => this.#look(registry, newest), away: () => undefined })
  }

  /** Why no push is taken here that the policies of this process allow. Undefined: they are the newest. */
  get note(): string | undefined {
    const [mine, newest] = [this.#mine, this.#newest]
    if (mine === undefined || newest === undefined || mine.identity === newest.identity) return undefined
    return `another process of the registry has newer policies (generation ${newest.generation}): pushes are refused here until this one has read them`
  }

  /** `generation`: as this process counts. Rejects if the database does not answer. */
  async bring(set: {
    readonly identity: string
    readonly generation: number
    readonly isWhole: boolean
    readonly changes: readonly PolicyChange[]
    readonly now: Instant
  }): Promise<Standing> {
    const { identity, isWhole, now } = set
    if (this.#registry === undefined) return { generation: set.generation, isRecorded: false }
    const proposed = { identity, isWhole, now, silence, last: this.#mine?.generation }
    const { brought, isRecorded } = await this.#propose(this.#registry, proposed, set.changes)
    const { generation, newest } = brought
    this.#mine = { identity, generation }
    if (newest === generation) this.#newest = { identity, generation, heard: 0 }
    return { generation, isRecorded }
  }

  async #propose(
    { database, auditRecords }: RegistryProcesses,
    proposed: Omit<ProposedPolicies, 'auditRecords'>,
    changes: readonly PolicyChange[],
  ): Promise<{ readonly brought: BroughtPolicies; readonly isRecorded: boolean }> {
    const records = auditRecords(changes)
    try {
      return { brought: await database.bring({ ...proposed, auditRecords: records }), isRecorded: true }
    } catch (error) {
      if (records.length === 0) throw error
      // No policy waits for room in the audit.
      return { brought: await database.bring({ ...proposed, auditRecords: [] }), isRecorded: false }
    }
  }

  #look({ database }: RegistryProcesses, newest: NewestPolicies | undefined): void {
    // A look that began before the last `bring` has ended does not know it; the next one does.
    this.#isDoubtful = !this.#isDoubtful && (newest?.generation ?? 0) < (this.#newest?.generation ?? 0)
    if (this.#isDoubtful) return
    const { note } = this
    this.#newest = newest
    if (this.note !== note) this.#onNote()
    const mine = this.#mine
    if (mine === undefined) return
    if (newest?.identity !== mine.identity) {
      if (newest === undefined || newest.heard > silence) this.#onChange()
    } else if (newest.generation !== mine.generation) this.#onChange()
    // The next look comes soon if it fails.
    else if (newest.heard > renewal) database.hold(newest.generation).catch(() => undefined)
  }
}
