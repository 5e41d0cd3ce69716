import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Instant } from '../../instant.ts'
import { Overtaken, type Transaction } from './change.ts'
import {
  insertRepository,
  repositoryByName,
  repositoryEver,
  reviveRepository,
} from './statements/repositories.ts'

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
  if (known !== undefined) return known
  const vacated = (await transaction.get(repositoryEver, { name }))?.id
  if (vacated === undefined) {
    const { id, changes } = await transaction.run(insertRepository, { name, now })
    if (changes > 0) return id
    // Another change has inserted it meanwhile.
    const made = await findRepository(transaction, name)
    if (made === undefined) throw new Overtaken()
    return made
  }
  await transaction.run(reviveRepository, { repository: vacated, now })
  return vacated
}
