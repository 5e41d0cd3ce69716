import { lintPolicies } from '../policy/lint.ts'
import { printProblem } from '../policy/load-problem.ts'
import type { LoadProblem } from '../policy/load-problem.ts'
import { loadPolicyDocuments } from '../policy/policy-documents.ts'
import type { ExceptionSettings } from '../policy/trow-exception.ts'
import type { Review } from './admission-review.ts'
import type { ReviewAnswer } from './review-answer.ts'

/** Who changed which policy or exception: the object itself only says by which field manager. */
export interface PolicyChangeSeen {
  /** `TrowPolicy/production`. */
  readonly object: string
  readonly operation: string
  readonly user: string
  readonly groups: readonly string[]
  /** Undefined: it is deleted. */
  readonly document: unknown
  /** Milliseconds since 1970. */
  readonly time: number
}

export interface PolicyReviewParts {
  readonly settings: () => ExceptionSettings
  /** Of what is let through. Never rejects. */
  readonly changed: (change: PolicyChangeSeen) => Promise<void>
}

/** The API server drops what is longer. */
const warningLimit = 256
const listedLimit = 20

/** Answers reviews of TrowPolicy and TrowException: what does not load is refused, what is likely not meant is a warning. */
export class PolicyReviews {
  readonly #parts: PolicyReviewParts

  constructor(parts: PolicyReviewParts) {
    this.#parts = parts
  }

  async answer(review: Extract<Review, { readonly kind: 'policy' }>): Promise<ReviewAnswer> {
    const { uid, document, object, operation, user, isDryRun } = review
    const settings = this.#parts.settings()
    const documents = document === undefined ? [] : [document]
    const loaded = loadPolicyDocuments(documents, settings)
    if (loaded.problems.length > 0) {
      const message = [`${object} cannot be used`, ...linesOf(loaded.problems)].join('\n  ')
      return { uid, isAllowed: false, message, warnings: [], annotations: { decision: 'rejected' } }
    }
    if (!isDryRun)
      await this.#parts.changed({
        object,
        operation,
        user: user.name,
        groups: user.groups,
        document,
        time: settings.now,
      })
    const warnings = linesOf(lintPolicies(loaded, settings.now)).map((line) => line.slice(0, warningLimit))
    return { uid, isAllowed: true, message: '', warnings, annotations: {} }
  }
}

function linesOf(problems: readonly LoadProblem[]): string[] {
  const lines = problems.slice(0, listedLimit).map(printProblem)
  const more = problems.length - lines.length
  return more > 0 ? [...lines, `and ${more} more`] : lines
}
