import { relaxed } from '../rules/change.ts'
import { none } from '../rules/locks.ts'
import type { Statement } from '../rules/bind.ts'

const freePages: Statement<{ freelist_count: number }> = { sql: 'pragma freelist_count', values: [] }
const allPages: Statement<{ page_count: number }> = { sql: 'pragma page_count', values: [] }
const pageSize: Statement<{ page_size: number }> = { sql: 'pragma page_size', values: [] }
const pagesAtOnce = 256
const vacuum: Statement<unknown> = { sql: `pragma incremental_vacuum(${pagesAtOnce})`, values: [] }

/**
 * The next pushes fill this share of free pages again: returning it would make the file shrink and grow
 * repeatedly.
 */
const keptShare = 1 / 16

/** Removes a few free pages from the end of the file. Returns the bytes; 0 when too few pages are free. */
export const reclaim = relaxed({ locks: none }, async (transaction, _values: object): Promise<number> => {
  const free = (await transaction.get(freePages, {}))?.freelist_count ?? 0
  const all = (await transaction.get(allPages, {}))?.page_count ?? 0
  if (free <= pagesAtOnce || free < all * keptShare) return 0
  await transaction.all(vacuum, {})
  const left = (await transaction.get(freePages, {}))?.freelist_count ?? 0
  return (free - left) * ((await transaction.get(pageSize, {}))?.page_size ?? 0)
})
