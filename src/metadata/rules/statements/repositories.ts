// Made of ../queries/repositories.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/repositories.ts'

export const insertRepository: typeof queries.insertRepository = {
  sql: 'insert into "repository" ("name", "created_at") values (?, ?) on conflict do nothing',
  values: [new Parameter('name'), new Parameter('now')],
  postgres: {
    name: 'repositories.insertRepository',
    sql: 'insert into "repository" ("name", "created_at") values ($1, $2) on conflict do nothing returning "id"',
  },
}
export const repositoryByName: typeof queries.repositoryByName = {
  sql: 'select "id" from "repository" where "name" = ? and "vacated_at" is null',
  values: [new Parameter('name')],
  postgres: {
    name: 'repositories.repositoryByName',
    sql: 'select "id" from "repository" where "name" = $1 and "vacated_at" is null',
  },
}
export const repositoryEver: typeof queries.repositoryEver = {
  sql: 'select "id", "vacated_at" from "repository" where "name" = ?',
  values: [new Parameter('name')],
  postgres: {
    name: 'repositories.repositoryEver',
    sql: 'select "id", "vacated_at" from "repository" where "name" = $1',
  },
}
export const reviveRepository: typeof queries.reviveRepository = {
  sql: 'update "repository" set "vacated_at" = ?, "created_at" = ? where "id" = ?',
  values: [null, new Parameter('now'), new Parameter('repository')],
  postgres: {
    name: 'repositories.reviveRepository',
    sql: 'update "repository" set "vacated_at" = $1, "created_at" = $2 where "id" = $3',
  },
}
export const vacateRepository: typeof queries.vacateRepository = {
  sql: 'update "repository" set "vacated_at" = ? where "id" = ?',
  values: [new Parameter('now'), new Parameter('repository')],
  postgres: {
    name: 'repositories.vacateRepository',
    sql: 'update "repository" set "vacated_at" = $1 where "id" = $2',
  },
}
