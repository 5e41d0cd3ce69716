// Made of ../queries/repositories.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/repositories.ts'

export const insertRepository: typeof queries.insertRepository = {
  sql: 'insert into "repository" ("name", "created_at") values (?, ?)',
  values: [new Parameter('name'), new Parameter('now')],
}
export const repositoryByName: typeof queries.repositoryByName = {
  sql: 'select "id" from "repository" where "name" = ?',
  values: [new Parameter('name')],
}
export const repositoryName: typeof queries.repositoryName = {
  sql: 'select "name" from "repository" where "id" = ?',
  values: [new Parameter('repository')],
}
