import { Parameter, type Statement } from '../rules/bind.ts'

/** A statement that only PostgreSQL has; `parameters` are the names for `$1`, `$2` and so on. */
export function ownStatement<Row>(name: string, sql: string, parameters: readonly string[]): Statement<Row> {
  return {
    sql: '',
    values: parameters.map((parameter) => new Parameter(parameter)),
    postgres: { name: `postgres.${name}`, sql },
  }
}
