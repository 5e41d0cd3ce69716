// Made of ../queries/settings.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/settings.ts'

export const addSetting: typeof queries.addSetting = {
  sql: 'insert into "setting" ("name", "value") values (?, ?) on conflict do nothing',
  values: [new Parameter('name'), new Parameter('value')],
  postgres: {
    name: 'settings.addSetting',
    sql: 'insert into "setting" ("name", "value") values ($1, $2) on conflict do nothing',
  },
}
export const putSetting: typeof queries.putSetting = {
  sql: 'insert into "setting" ("name", "value") values (?, ?) on conflict ("name") do update set "value" = ?',
  values: [new Parameter('name'), new Parameter('value'), new Parameter('value')],
  postgres: {
    name: 'settings.putSetting',
    sql: 'insert into "setting" ("name", "value") values ($1, $2) on conflict ("name") do update set "value" = $3',
  },
}
export const removeSetting: typeof queries.removeSetting = {
  sql: 'delete from "setting" where "name" = ? and "value" = ?',
  values: [new Parameter('name'), new Parameter('before')],
  postgres: {
    name: 'settings.removeSetting',
    sql: 'delete from "setting" where "name" = $1 and "value" = $2',
  },
}
export const replaceSetting: typeof queries.replaceSetting = {
  sql: 'update "setting" set "value" = ? where "name" = ? and "value" = ?',
  values: [new Parameter('value'), new Parameter('name'), new Parameter('before')],
  postgres: {
    name: 'settings.replaceSetting',
    sql: 'update "setting" set "value" = $1 where "name" = $2 and "value" = $3',
  },
}
export const settingByName: typeof queries.settingByName = {
  sql: 'select "value" from "setting" where "name" = ?',
  values: [new Parameter('name')],
  postgres: { name: 'settings.settingByName', sql: 'select "value" from "setting" where "name" = $1' },
}
