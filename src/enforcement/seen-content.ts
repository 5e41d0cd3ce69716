import type { ContentFact } from '../policy/image-content.ts'

/** What could be found out, and for how long that holds. */
export interface SeenContent {
  readonly fact: ContentFact
  /** False: it may be another one although nothing with this digest has changed, such as when what is missing has come. */
  readonly isSettled: boolean
}
