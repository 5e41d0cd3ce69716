import type { ChangeNote } from '../metadata/outbox.ts'
import type { RepositoryName } from '../oci/repository-name.ts'

/**
 * Who asks the registry, and by what right. Knows nothing of how they came: a request over HTTP is one, and so is whatever else
 * reads or changes content. That they may do what they ask is decided before.
 */
export interface Requester {
  /** As the audit and refusals name them. */
  readonly name: string
  /** Why they were let in: the rule or the binding. */
  readonly reason: string
  /**
   * What the audit is to be told of a change that they make, kept with the change; undefined where nothing is audited. Throws
   * OciError UNAVAILABLE where changes cannot be audited.
   */
  note(change: Change): ChangeNote | undefined
}

export interface Change {
  readonly action: 'push' | 'delete' | 'mount'
  readonly repository: RepositoryName
  /** As typed: a tag or a digest. */
  readonly reference: string
}
