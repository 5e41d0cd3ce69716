import { PolicyChanged } from '../policy-generation.ts'
import { after, type Transaction } from './change.ts'

/**
 * To be called before anything is changed. `judgedBy` is undefined when no policy judged the change. Throws
 * PolicyChanged.
 */
export function requireGeneration(
  transaction: Transaction,
  judgedBy: number | undefined,
): void | Promise<void> {
  if (judgedBy === undefined) return
  return after(transaction.policyGeneration(), (generation) => {
    if (judgedBy !== generation) throw new PolicyChanged()
  })
}
