import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Instant } from '../records.ts'
import type { Transaction } from './change.ts'
import { compile, parameter, sqliteQueries } from './statement.ts'

const queries = sqliteQueries()

const repositoryByName = compile(
  queries.selectFrom('repository').select('id').where('name', '=', parameter<string>('name')),
)
const insertRepository = compile(
  queries
    .insertInto('repository')
    .values({ name: parameter<string>('name'), created_at: parameter<number>('now') }),
)

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
