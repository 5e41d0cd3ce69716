import type { Transaction } from '../rules/change.ts'
import { none } from '../rules/locks.ts'

/** The transaction of the writer, which holds the generation of the policies in its memory only. */
export interface WriterTransaction extends Transaction {
  setPolicyGeneration(generation: number): void
}

export const setPolicyGeneration = {
  durable: false,
  locks: none,
  run: (
    transaction: WriterTransaction,
    { generation }: { readonly generation: number },
  ): Promise<undefined> => {
    transaction.setPolicyGeneration(generation)
    return Promise.resolve(undefined)
  },
} as const
