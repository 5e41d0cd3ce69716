// Made of ../queries/repositories.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/repositories.ts'

export const insertRepository: typeof queries.insertRepository = {
  sql: 'insert into "repository" ("name", "created_at") values (?, ?)',
  values: [new Parameter('name'), new Parameter('now')],
}
export const repositoryByName: typeof queries.repositoryByName = {
  sql: 'select "id" from "repository" where "name" = ? and "vacated_at" is null',
  values: [new Parameter('name')],
}
export const repositoryEver: typeof queries.repositoryEver = {
  sql: 'select "id" from "repository" where "name" = ?',
  values: [new Parameter('name')],
}
export const repositoryName: typeof queries.repositoryName = {
  sql: 'select "name" from "repository" where "id" = ?',
  values: [new Parameter('repository')],
}
export const reviveRepository: typeof queries.reviveRepository = {
  sql: 'update "repository" set "vacated_at" = ?, "created_at" = ? where "id" = ?',
  values: [null, new Parameter('now'), new Parameter('repository')],
}
export const vacateRepository: typeof queries.vacateRepository = {
  sql: 'update "repository" set "vacated_at" = ? where "id" = ?',
  values: [new Parameter('now'), new Parameter('repository')],
}
