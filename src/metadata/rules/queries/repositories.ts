import { compile, parameter, queryBuilder } from './query.ts'

const queries = queryBuilder()

export const repositoryByName = compile(
  queries
    .selectFrom('repository')
    .select('id')
    .where('name', '=', parameter<string>('name'))
    .where('vacated_at', 'is', null),
)
/** Also finds a vacated repository. */
export const repositoryEver = compile(
  queries.selectFrom('repository').select(['id', 'vacated_at']).where('name', '=', parameter<string>('name')),
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
    .values({ name: parameter<string>('name'), created_at: parameter<number>('now') })
    .onConflict((conflict) => conflict.doNothing()),
  { id: 'told' },
)
