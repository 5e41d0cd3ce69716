// Made of ../queries/access.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/access.ts'

export const deleteOldKeys: typeof queries.deleteOldKeys = {
  sql: 'delete from "signing_key" where "created_at" < (select max("next"."created_at") as "latest" from "signing_key" as "next" where "next"."created_at" < ?)',
  values: [new Parameter('followedBefore')],
  postgres: {
    name: 'access.deleteOldKeys',
    sql: 'delete from "signing_key" where "created_at" < (select max("next"."created_at") as "latest" from "signing_key" as "next" where "next"."created_at" < $1)',
  },
}
export const deleteOldLoginSources: typeof queries.deleteOldLoginSources = {
  sql: 'delete from "login_source" where "seen_at" < ?',
  values: [new Parameter('forgetBefore')],
  postgres: { name: 'access.deleteOldLoginSources', sql: 'delete from "login_source" where "seen_at" < $1' },
}
export const deleteRobot: typeof queries.deleteRobot = {
  sql: 'delete from "robot" where "name" = ?',
  values: [new Parameter('name')],
  postgres: { name: 'access.deleteRobot', sql: 'delete from "robot" where "name" = $1' },
}
export const deleteSurplusLoginSources: typeof queries.deleteSurplusLoginSources = {
  sql: 'delete from "login_source" where "name" = ? and "network" not in (select "kept"."network" from "login_source" as "kept" where "kept"."name" = ? order by kept.seen_at + 0 desc limit ? + 0)',
  values: [new Parameter('name'), new Parameter('name'), new Parameter('most')],
  postgres: {
    name: 'access.deleteSurplusLoginSources',
    sql: 'delete from "login_source" where "name" = $1 and "network" not in (select "kept"."network" from "login_source" as "kept" where "kept"."name" = $2 order by kept.seen_at + 0 desc limit $3)',
  },
}
export const insertKey: typeof queries.insertKey = {
  sql: 'insert into "signing_key" ("id", "private_key", "created_at") values (?, ?, ?) on conflict ("id") do nothing',
  values: [new Parameter('id'), new Parameter('privateKey'), new Parameter('createdAt')],
  postgres: {
    name: 'access.insertKey',
    sql: 'insert into "signing_key" ("id", "private_key", "created_at") values ($1, $2, $3) on conflict ("id") do nothing',
  },
}
export const insertRobot: typeof queries.insertRobot = {
  sql: 'insert into "robot" ("name", "description", "secret_hash", "credential_id", "grants", "created_at", "expires_at") values (?, ?, ?, ?, ?, ?, ?) on conflict ("name") do nothing',
  values: [
    new Parameter('name'),
    new Parameter('description'),
    new Parameter('secretHash'),
    new Parameter('credentialId'),
    new Parameter('grants'),
    new Parameter('createdAt'),
    new Parameter('expiresAt'),
  ],
  postgres: {
    name: 'access.insertRobot',
    sql: 'insert into "robot" ("name", "description", "secret_hash", "credential_id", "grants", "created_at", "expires_at") values ($1, $2, $3, $4, $5, $6, $7) on conflict ("name") do nothing',
  },
}
export const newerKey: typeof queries.newerKey = {
  sql: 'select "id" from "signing_key" where "created_at" > ? limit ? + 0',
  values: [new Parameter('unlessNewerThan'), 1],
  postgres: {
    name: 'access.newerKey',
    sql: 'select "id" from "signing_key" where "created_at" > $1 limit $2',
  },
}
export const upsertLoginSource: typeof queries.upsertLoginSource = {
  sql: 'insert into "login_source" ("name", "network", "seen_at") values (?, ?, ?) on conflict ("name", "network") do update set "seen_at" = ?',
  values: [new Parameter('name'), new Parameter('network'), new Parameter('seenAt'), new Parameter('seenAt')],
  postgres: {
    name: 'access.upsertLoginSource',
    sql: 'insert into "login_source" ("name", "network", "seen_at") values ($1, $2, $3) on conflict ("name", "network") do update set "seen_at" = $4',
  },
}
