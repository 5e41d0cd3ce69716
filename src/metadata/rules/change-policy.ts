import { PolicyChanged } from '../policy-generation.ts'
import type { Transaction } from './change.ts'

/**
 * To be called before anything is changed. `judgedBy` is undefined when no policy judged the change. Throws
 * PolicyChanged.
 */
export async function requireGeneration(
  transaction: Transaction,
  judgedBy: number | undefined,
): Promise<void> {
  if (judgedBy !== undefined && judgedBy !== (await transaction.policyGeneration())) throw new PolicyChanged()
}
