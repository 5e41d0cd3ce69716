import { compile, parameter, sqliteQueries } from './query.ts'

const queries = sqliteQueries()

export const repositoryByName = compile(
  queries
    .selectFrom('repository')
    .select('id')
    .where('name', '=', parameter<string>('name'))
    .where('vacated_at', 'is', null),
)
/** Vacated or not. */
export const repositoryEver = compile(
  queries.selectFrom('repository').select('id').where('name', '=', parameter<string>('name')),
)
export const reviveRepository = compile(
  queries
    .updateTable('repository')
    .set({ vacated_at: null, created_at: parameter<number>('now') })
    .where('id', '=', parameter<number>('repository')),
)
export const vacateRepository = compile(
  queries
    .updateTable('repository')
    .set({ vacated_at: parameter<number>('now') })
    .where('id', '=', parameter<number>('repository')),
)
export const insertRepository = compile(
  queries
    .insertInto('repository')
    .values({ name: parameter<string>('name'), created_at: parameter<number>('now') }),
)
export const repositoryName = compile(
  queries.selectFrom('repository').select('name').where('id', '=', parameter<number>('repository')),
)
