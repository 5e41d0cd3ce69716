import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import type { ExceptionEnds } from './exception-ends.ts'
import type { KeptPolicies, KeptSet } from './kept-policies.ts'

interface StoredStateParts {
  readonly kept: Pick<KeptPolicies, 'writeSet'>
  readonly ends: Pick<ExceptionEnds, 'keep'>
  readonly log: Log
}

/** The policies and the expired exceptions as a restart finds them on disk. A failure to write is logged once. */
export class StoredState {
  readonly #parts: StoredStateParts
  #versions = ''
  #note: string | undefined

  constructor(parts: StoredStateParts) {
    this.#parts = parts
  }

  /** Why the disk may not have the current state. Undefined: it has it. */
  get note(): string | undefined {
    return this.#note
  }

  async keepSet(set: KeptSet): Promise<void> {
    try {
      if (this.#versions !== versionsOf(set)) await this.#parts.kept.writeSet(set)
      this.#versions = versionsOf(set)
      this.#note = undefined
    } catch (error) {
      this.#notice(error)
    }
  }

  async keepEnds(): Promise<void> {
    try {
      await this.#parts.ends.keep()
    } catch (error) {
      this.#notice(error)
    }
  }

  #notice(error: unknown): void {
    const note = `what a restart needs of the policies cannot be written: ${reasonOf(error)}`
    if (this.#note !== note) this.#parts.log.error(note)
    this.#note = note
  }
}

function versionsOf({ generation, units }: KeptSet): string {
  return [generation, ...units.map(({ name, version }) => `${name} ${version}`)].join('\n')
}
