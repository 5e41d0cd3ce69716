import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Instant } from '../../instant.ts'
import type { Transaction } from './change.ts'
import { insertRepository, repositoryByName } from './statements/repositories.ts'

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
  const known = await findRepository(transaction, name)
  return known ?? (await transaction.run(insertRepository, { name, now })).id
}
