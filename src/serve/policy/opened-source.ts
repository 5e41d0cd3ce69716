import type { Log } from '../../log.ts'
import type { PolicyDatabase } from '../../policy-store/policy-database.ts'
import type { PolicyPoll } from '../../policy-store/policy-poll.ts'
import type { PolicyWriter } from '../../policy-store/policy-edits.ts'
import type { PolicySource, UnitOutcome } from '../../policy-store/policy-source.ts'

/** Where the policies of the settings are read and written. */
export interface OpenPolicySource {
  readonly source: PolicySource
  readonly writer: PolicyWriter
  /** Shows people at the source what has become of it; undefined where the source cannot. */
  readonly report: ((outcomes: readonly UnitOutcome[]) => void) | undefined
  /** After the source. */
  close(): Promise<void>
}

/** What the processes of a registry share. */
export interface RegistryPolicies {
  readonly database: PolicyDatabase
  readonly poll: PolicyPoll
}

export interface SourceDeps {
  /** Undefined: only this process serves the registry. */
  readonly registry: RegistryPolicies | undefined

  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly log: Log
}
