// Made of ../queries/settings.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/settings.ts'

export const addSetting: typeof queries.addSetting = {
  sql: 'insert into "setting" ("name", "value") values (?, ?) on conflict do nothing',
  values: [new Parameter('name'), new Parameter('value')],
}
export const putSetting: typeof queries.putSetting = {
  sql: 'insert into "setting" ("name", "value") values (?, ?) on conflict ("name") do update set "value" = ?',
  values: [new Parameter('name'), new Parameter('value'), new Parameter('value')],
}
export const removeSetting: typeof queries.removeSetting = {
  sql: 'delete from "setting" where "name" = ?',
  values: [new Parameter('name')],
}
export const settingByName: typeof queries.settingByName = {
  sql: 'select "value" from "setting" where "name" = ?',
  values: [new Parameter('name')],
}
