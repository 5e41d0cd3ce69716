import { PolicyChanged } from '../policy-generation.ts'
import { relaxed, type Transaction } from './change.ts'

/** Held by the writer, and by nothing that outlives it. */
export const setPolicyGeneration = relaxed(
  (transaction: Transaction, { generation }: { readonly generation: number }): Promise<void> => {
    transaction.policy.generation = generation
    return Promise.resolve()
  },
)

/** To be called before anything is changed. Undefined: no policy judged it. Throws PolicyChanged. */
export function requireGeneration(transaction: Transaction, judgedBy: number | undefined): void {
  if (judgedBy !== undefined && judgedBy !== transaction.policy.generation) throw new PolicyChanged()
}
