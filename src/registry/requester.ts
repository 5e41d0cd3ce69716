import type { ChangeNote } from '../metadata/outbox.ts'
import type { RepositoryName } from '../oci/repository-name.ts'

/**
 * Who asks the registry, and by what right. Knows nothing of how they came: a request over HTTP is one, and so is whatever else
 * reads or changes content. That they may do what they ask is decided before; what may be done with an image is asked of a
 * ContentGuard, which tells them.
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
  /** What policies say of that which they get or change all the same. A later judgement takes the place of an earlier one. */
  judged(judgement: Judgement): void
  /**
   * Policies refuse it. On record when it resolves, with the id under which the record is found; undefined: there is none of its
   * own. Rejects with OciError UNAVAILABLE or STORAGE_FULL where it cannot be recorded: that is the answer then.
   */
  refused(refusal: Refused): Promise<string | undefined>
}

export interface Change {
  readonly action: 'push' | 'delete' | 'mount'
  readonly repository: RepositoryName
  /** As typed: a tag or a digest. */
  readonly reference: string
}

/** What policies say of a request. */
export interface Judgement {
  /** Of each policy that has something to say, at least one. One and the same object for equal requests. */
  readonly findings: readonly PolicyFinding[]
  /** For the person who asked, a line each. */
  readonly warnings: readonly string[]
}

export interface Refused extends Judgement {
  readonly repository: RepositoryName
  /** The tag or the digest; undefined where none is known yet. */
  readonly reference: string | undefined
  /** In one line. */
  readonly reason: string
}

export interface PolicyFinding {
  /** Its name; empty where no policy judges and the settings refuse that. */
  readonly policy: string
  readonly outcome: 'denied' | 'warned' | 'would-deny' | 'excepted' | 'unchecked'
  /** The code: `DENY_LIST`. */
  readonly reason: string
  /** The scope of the rule, or the entry of the deny list. */
  readonly rule: string | undefined
  /** The name of the exception that lifts it. */
  readonly exception: string | undefined
}
