import { compile, parameter, sqliteQueries } from './query.ts'

const queries = sqliteQueries()
export const settingByName = compile(
  queries.selectFrom('setting').select('value').where('name', '=', parameter<string>('name')),
)
export const putSetting = compile(
  queries
    .insertInto('setting')
    .values({ name: parameter<string>('name'), value: parameter<string>('value') })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: parameter<string>('value') })),
)
export const addSetting = compile(
  queries
    .insertInto('setting')
    .values({ name: parameter<string>('name'), value: parameter<string>('value') })
    .onConflict((conflict) => conflict.doNothing()),
)
export const removeSetting = compile(
  queries.deleteFrom('setting').where('name', '=', parameter<string>('name')),
)
