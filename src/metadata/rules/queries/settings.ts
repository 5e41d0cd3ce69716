import { compile, parameter, queryBuilder } from './query.ts'

const queries = queryBuilder()
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
/** Only if the value is still `before`. */
export const replaceSetting = compile(
  queries
    .updateTable('setting')
    .set({ value: parameter<string>('value') })
    .where('name', '=', parameter<string>('name'))
    .where('value', '=', parameter<string>('before')),
)
/** Only if the value is still `before`. */
export const removeSetting = compile(
  queries
    .deleteFrom('setting')
    .where('name', '=', parameter<string>('name'))
    .where('value', '=', parameter<string>('before')),
)
