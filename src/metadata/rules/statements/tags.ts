// Made of ../queries/tags.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/tags.ts'

export const insertTag: typeof queries.insertTag = {
  sql: 'insert into "tag" ("repository_id", "name", "manifest_id", "updated_at", "since", "past_id", "moves", "pusher") values (?, ?, ?, ?, ?, ?, ?, ?)',
  values: [
    new Parameter('repository'),
    new Parameter('tag'),
    new Parameter('manifest'),
    new Parameter('now'),
    new Parameter('since'),
    new Parameter('past'),
    new Parameter('moves'),
    new Parameter('pusher'),
  ],
  postgres: {
    name: 'tags.insertTag',
    sql: 'insert into "tag" ("repository_id", "name", "manifest_id", "updated_at", "since", "past_id", "moves", "pusher") values ($1, $2, $3, $4, $5, $6, $7, $8)',
  },
}
export const moveTag: typeof queries.moveTag = {
  sql: 'update "tag" set "manifest_id" = ?, "updated_at" = ?, "since" = ?, "since_at_latest" = ?, "pusher" = ?, "past_id" = ?, "moves" = ? where "repository_id" = ? and "name" = ?',
  values: [
    new Parameter('manifest'),
    new Parameter('now'),
    new Parameter('since'),
    0,
    new Parameter('pusher'),
    new Parameter('past'),
    new Parameter('moves'),
    new Parameter('repository'),
    new Parameter('tag'),
  ],
  postgres: {
    name: 'tags.moveTag',
    sql: 'update "tag" set "manifest_id" = $1, "updated_at" = $2, "since" = $3, "since_at_latest" = $4, "pusher" = $5, "past_id" = $6, "moves" = $7 where "repository_id" = $8 and "name" = $9',
  },
}
export const removeTag: typeof queries.removeTag = {
  sql: 'delete from "tag" where "repository_id" = ? and "name" = ?',
  values: [new Parameter('repository'), new Parameter('tag')],
  postgres: { name: 'tags.removeTag', sql: 'delete from "tag" where "repository_id" = $1 and "name" = $2' },
}
export const renewTag: typeof queries.renewTag = {
  sql: 'update "tag" set "updated_at" = ? where "repository_id" = ? and "name" = ?',
  values: [new Parameter('now'), new Parameter('repository'), new Parameter('tag')],
  postgres: {
    name: 'tags.renewTag',
    sql: 'update "tag" set "updated_at" = $1 where "repository_id" = $2 and "name" = $3',
  },
}
export const tagCountOf: typeof queries.tagCountOf = {
  sql: 'select count(*) as "count" from "tag" where "manifest_id" = ?',
  values: [new Parameter('manifest')],
  postgres: {
    name: 'tags.tagCountOf',
    sql: 'select count(*) as "count" from "tag" where "manifest_id" = $1',
  },
}
export const tagEver: typeof queries.tagEver = {
  sql: 'select tag.manifest_id as "manifest_id", manifest.digest as "digest", "tag"."since", "tag"."since_at_latest", "tag"."pusher", "tag"."past_id", "tag"."moves" from "tag" inner join "manifest" on "manifest"."id" = "tag"."manifest_id" where "tag"."repository_id" = (select id from repository where name = ?) and "tag"."name" = ? union all select null as "manifest_id", null as "digest", "last"."until" as "since", 0 as "since_at_latest", null as "pusher", last.id as "past_id", "last"."sequence" as "moves" from (select "id", "sequence", "until" from "past_tag" where "repository_id" = (select id from repository where name = ?) and "name" = ? and "removal" is not null and not exists (select 1 from tag where repository_id = (select id from repository where name = ?) and name = ?) order by "id" desc limit ? + 0) as "last"',
  values: [
    new Parameter('name'),
    new Parameter('tag'),
    new Parameter('name'),
    new Parameter('tag'),
    new Parameter('name'),
    new Parameter('tag'),
    1,
  ],
  postgres: {
    name: 'tags.tagEver',
    sql: 'select tag.manifest_id as "manifest_id", manifest.digest as "digest", "tag"."since", "tag"."since_at_latest", "tag"."pusher", "tag"."past_id", "tag"."moves" from "tag" inner join "manifest" on "manifest"."id" = "tag"."manifest_id" where "tag"."repository_id" = (select id from repository where name = $1) and "tag"."name" = $2 union all select null as "manifest_id", null as "digest", "last"."until" as "since", 0 as "since_at_latest", null as "pusher", last.id as "past_id", "last"."sequence" as "moves" from (select "id", "sequence", "until" from "past_tag" where "repository_id" = (select id from repository where name = $3) and "name" = $4 and "removal" is not null and not exists (select 1 from tag where repository_id = (select id from repository where name = $5) and name = $6) order by "id" desc limit $7) as "last"',
  },
}
export const tagsOfAfter: typeof queries.tagsOfAfter = {
  sql: 'select "name" from "tag" where "manifest_id" = ? and "repository_id" = ? and "name" > ? order by "name" limit ? + 0',
  values: [
    new Parameter('manifest'),
    new Parameter('repository'),
    new Parameter('after'),
    new Parameter('limit'),
  ],
  postgres: {
    name: 'tags.tagsOfAfter',
    sql: 'select "name" from "tag" where "manifest_id" = $1 and "repository_id" = $2 and "name" > $3 order by "name" limit $4',
  },
}
