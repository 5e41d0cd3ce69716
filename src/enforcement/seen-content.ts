import type { ContentFact } from '../policy/image-content.ts'

/** The facts that were found, and whether they are final. */
export interface SeenContent {
  readonly fact: ContentFact
  /**
   * False: the facts may change although the digest stays the same, for example when missing content is
   * pushed.
   */
  readonly isSettled: boolean
}
