import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Instant } from '../../instant.ts'
import type { Statement } from './bind.ts'
import { Overtaken, type Transaction } from './change.ts'
import {
  insertRepository,
  repositoryByName,
  repositoryEver,
  reviveRepository,
} from './statements/repositories.ts'

/** A repository as it is stored: a vacated one has nothing but its history, and counts as unknown. */
export type StoredRepository = typeof repositoryEver extends Statement<infer Row> ? Row : never

export async function findRepository(
  transaction: Transaction,
  name: RepositoryName,
): Promise<number | undefined> {
  return (await transaction.get(repositoryByName, { name }))?.id
}

export async function ensureRepository(
  transaction: Transaction,
  name: RepositoryName,
  now: Instant,
): Promise<number> {
  return madeRepository(transaction, await transaction.get(repositoryEver, { name }), { name, now })
}

/** Makes a repository of what `repositoryEver` has found, unless it is one. Resolves to its id. */
export async function madeRepository(
  transaction: Transaction,
  found: StoredRepository | undefined,
  { name, now }: { readonly name: RepositoryName; readonly now: Instant },
): Promise<number> {
  if (found !== undefined) {
    if (found.vacated_at !== null) transaction.send(reviveRepository, { repository: found.id, now })
    return found.id
  }
  const { id, changes } = await transaction.run(insertRepository, { name, now })
  if (changes > 0) return id
  // Another change has inserted it meanwhile.
  const made = await findRepository(transaction, name)
  if (made === undefined) throw new Overtaken()
  return made
}
