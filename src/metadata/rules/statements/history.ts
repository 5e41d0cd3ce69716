// Made of ../queries/history.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/history.ts'

export const forgetManifestsTo: typeof queries.forgetManifestsTo = {
  sql: 'delete from "past_manifest" where repository_id = ? and sequence <= ?',
  values: [new Parameter('repository'), new Parameter('sequence')],
  postgres: {
    name: 'history.forgetManifestsTo',
    sql: 'delete from "past_manifest" where ctid = any (array(select ctid from past_manifest\n      where repository_id = $1 and sequence <= $2 order by sequence))',
  },
}
export const forgetMoves: typeof queries.forgetMoves = {
  sql: 'delete from "past_tag" where id in (\n      with recursive chain (id, steps) as (\n        select ?, 0\n        union all\n        select past.past_id, chain.steps + 1 from chain join past_tag as past on past.id = chain.id\n      )\n      select chain.id from chain where chain.steps >= ?)',
  values: [new Parameter('id'), new Parameter('kept')],
  postgres: {
    name: 'history.forgetMoves',
    sql: 'delete from "past_tag" where id in (\n      with recursive chain (id, steps) as (\n        select cast($1 as bigint), 0\n        union all\n        select past.past_id, chain.steps + 1 from chain join past_tag as past on past.id = chain.id\n      )\n      select chain.id from chain where chain.steps >= $2)',
  },
}
export const forgetOldestManifests: typeof queries.forgetOldestManifests = {
  sql: 'delete from "past_manifest" where repository_id = ? and sequence <= (select max(sequence) from past_manifest where repository_id = ?) - ?',
  values: [new Parameter('repository'), new Parameter('repository'), new Parameter('kept')],
  postgres: {
    name: 'history.forgetOldestManifests',
    sql: 'delete from "past_manifest" where ctid = any (array(select ctid from past_manifest\n      where repository_id = $1 and sequence <= (select max(sequence) from past_manifest where repository_id = $2) - $3 order by sequence))',
  },
}
export const forgetPast: typeof queries.forgetPast = {
  sql: 'update "tag" set "past_id" = ? where "repository_id" = ? and "name" = ? and "past_id" = ?',
  values: [null, new Parameter('repository'), new Parameter('tag'), new Parameter('id')],
  postgres: {
    name: 'history.forgetPast',
    sql: 'update "tag" set "past_id" = $1 where "repository_id" = $2 and "name" = $3 and "past_id" = $4',
  },
}
export const historyByRepository: typeof queries.historyByRepository = {
  sql: 'select "id", "name", (select removed_at from past_manifest where repository_id = repository.id order by sequence limit 1) as "manifest_removed_at", (select until from past_tag where repository_id = repository.id and removal is not null order by removal limit 1) as "tag_removed_at" from "repository" where "id" > ? order by "id" limit ? + 0',
  values: [new Parameter('afterId'), new Parameter('limit')],
  postgres: {
    name: 'history.historyByRepository',
    sql: 'select "id", "name", (select removed_at from past_manifest where repository_id = repository.id order by sequence limit 1) as "manifest_removed_at", (select until from past_tag where repository_id = repository.id and removal is not null order by removal limit 1) as "tag_removed_at" from "repository" where "id" > $1 order by "id" limit $2',
  },
}
export const keepManifest: typeof queries.keepManifest = {
  sql: 'insert into "past_manifest" ("repository_id", "digest", "sequence", "first_seen", "seen_at_latest", "pusher", "removed_at") select "repository_id", "digest", 1 + coalesce((select max(sequence) from past_manifest where repository_id = ?), 0) as "sequence", "first_seen", "seen_at_latest", "pusher", ? as "removed_at" from "manifest" where "id" = ?',
  values: [new Parameter('repository'), new Parameter('now'), new Parameter('manifest')],
  postgres: {
    name: 'history.keepManifest',
    sql: 'insert into "past_manifest" ("repository_id", "digest", "sequence", "first_seen", "seen_at_latest", "pusher", "removed_at") select "repository_id", "digest", 1 + coalesce((select max(sequence) from past_manifest where repository_id = $1), 0) as "sequence", "first_seen", "seen_at_latest", "pusher", cast($2 as bigint) as "removed_at" from "manifest" where "id" = $3',
  },
}
export const keepMove: typeof queries.keepMove = {
  sql: 'insert into "past_tag" ("past_id", "sequence", "digest", "since", "since_at_latest", "pusher", "until") values (?, ?, (select digest from manifest where id = ?), ?, ?, ?, ?)',
  values: [
    new Parameter('past'),
    new Parameter('sequence'),
    new Parameter('manifest'),
    new Parameter('since'),
    new Parameter('atLatest'),
    new Parameter('pusher'),
    new Parameter('until'),
  ],
  postgres: {
    name: 'history.keepMove',
    sql: 'insert into "past_tag" ("past_id", "sequence", "digest", "since", "since_at_latest", "pusher", "until") values ($1, $2, (select digest from manifest where id = $3), $4, $5, $6, $7) returning "id"',
  },
}
export const keepRemovals: typeof queries.keepRemovals = {
  sql: 'insert into "past_tag" ("past_id", "sequence", "digest", "since", "since_at_latest", "pusher", "until", "repository_id", "name", "removal") select "tag"."past_id", tag.moves + 1 as "sequence", "manifest"."digest", "tag"."since", "tag"."since_at_latest", "tag"."pusher", max(tag.since, ?) as "until", "tag"."repository_id", "tag"."name", listed.key + 1 + coalesce((select max(past.removal) from past_tag as past\n            where past.repository_id = ? and past.removal is not null), 0) as "removal" from json_each(?) as "listed" cross join "tag" cross join "manifest" where "tag"."repository_id" = ? and "tag"."name" = "listed"."value" and "manifest"."id" = "tag"."manifest_id"',
  values: [
    new Parameter('now'),
    new Parameter('repository'),
    new Parameter('list'),
    new Parameter('repository'),
  ],
  postgres: {
    name: 'history.keepRemovals',
    sql: 'insert into "past_tag" ("past_id", "sequence", "digest", "since", "since_at_latest", "pusher", "until", "repository_id", "name", "removal") select "tag"."past_id", tag.moves + 1 as "sequence", "manifest"."digest", "tag"."since", "tag"."since_at_latest", "tag"."pusher", greatest(tag.since, $1) as "until", "tag"."repository_id", "tag"."name", listed.ordinality + coalesce((select max(past.removal) from past_tag as past\n            where past.repository_id = $2 and past.removal is not null), 0) as "removal" from (select value, ordinality from jsonb_array_elements_text(cast($3 as jsonb)) with ordinality where value collate "C" > \'\' and value collate "C" < \'~\') as "listed" cross join "tag" cross join "manifest" where "tag"."repository_id" = $4 and "tag"."name" = "listed"."value" and "manifest"."id" = "tag"."manifest_id"',
  },
}
export const lastRemoval: typeof queries.lastRemoval = {
  sql: 'select "removal" from "past_tag" where "repository_id" = ? and "removal" is not null order by "removal" desc limit ? + 0',
  values: [new Parameter('repository'), 1],
  postgres: {
    name: 'history.lastRemoval',
    sql: 'select "removal" from "past_tag" where "repository_id" = $1 and "removal" is not null order by "removal" desc limit $2',
  },
}
export const oldestManifests: typeof queries.oldestManifests = {
  sql: 'select "sequence", "removed_at" from "past_manifest" where "repository_id" = ? order by "sequence" limit ? + 0',
  values: [new Parameter('repository'), new Parameter('limit')],
  postgres: {
    name: 'history.oldestManifests',
    sql: 'select "sequence", "removed_at" from "past_manifest" where "repository_id" = $1 order by "sequence" limit $2',
  },
}
export const oldestRemovals: typeof queries.oldestRemovals = {
  sql: 'select "id", "name", "until" from "past_tag" where "repository_id" = ? and "removal" <= ? order by "removal" limit ? + 0',
  values: [new Parameter('repository'), new Parameter('to'), new Parameter('limit')],
  postgres: {
    name: 'history.oldestRemovals',
    sql: 'select "id", "name", "until" from "past_tag" where "repository_id" = $1 and "removal" <= $2 order by "removal" limit $3',
  },
}
export const removePastManifest: typeof queries.removePastManifest = {
  sql: 'delete from "past_manifest" where "repository_id" = ? and "digest" = ?',
  values: [new Parameter('repository'), new Parameter('digest')],
  postgres: {
    name: 'history.removePastManifest',
    sql: 'delete from "past_manifest" where "repository_id" = $1 and "digest" = $2',
  },
}
export const seenManifest: typeof queries.seenManifest = {
  sql: 'select "manifest"."first_seen", "manifest"."seen_at_latest", "manifest"."pusher", null as "removed_at" from "repository" inner join "manifest" on "manifest"."repository_id" = "repository"."id" where "repository"."name" = ? and "manifest"."digest" = ? union all select "past"."first_seen", "past"."seen_at_latest", "past"."pusher", "past"."removed_at" from "repository" inner join "past_manifest" as "past" on "past"."repository_id" = "repository"."id" where "repository"."name" = ? and "past"."digest" = ?',
  values: [new Parameter('name'), new Parameter('digest'), new Parameter('name'), new Parameter('digest')],
  postgres: {
    name: 'history.seenManifest',
    sql: 'select "manifest"."first_seen", "manifest"."seen_at_latest", "manifest"."pusher", null as "removed_at" from "repository" inner join "manifest" on "manifest"."repository_id" = "repository"."id" where "repository"."name" = $1 and "manifest"."digest" = $2 union all select "past"."first_seen", "past"."seen_at_latest", "past"."pusher", "past"."removed_at" from "repository" inner join "past_manifest" as "past" on "past"."repository_id" = "repository"."id" where "repository"."name" = $3 and "past"."digest" = $4',
  },
}
export const tagTargets: typeof queries.tagTargets = {
  sql: 'with recursive "target" as (select "tag"."past_id", tag.moves + 1 as "sequence", "manifest"."digest", "tag"."since", "tag"."since_at_latest", "tag"."pusher", null as "until", null as "removal", 0 as "steps" from "repository" inner join "tag" on "tag"."repository_id" = "repository"."id" inner join "manifest" on "manifest"."id" = "tag"."manifest_id" where "repository"."name" = ? and "tag"."name" = ? union all select "past"."past_id", "past"."sequence", "past"."digest", "past"."since", "past"."since_at_latest", "past"."pusher", "past"."until", "past"."removal", 1 as "steps" from "repository" inner join "past_tag" as "past" on past.id = (select last.id from past_tag as last\n                  where last.repository_id = repository.id and last.name = ? and last.removal is not null\n                  order by last.id desc limit 1) where "repository"."name" = ? and not exists (select 1 from tag where tag.repository_id = repository.id and tag.name = ?) union all select "past"."past_id", "past"."sequence", "past"."digest", "past"."since", "past"."since_at_latest", "past"."pusher", "past"."until", "past"."removal", target.steps + 1 as "steps" from "target" inner join "past_tag" as "past" on "past"."id" = "target"."past_id" where "target"."steps" < ?) select "sequence", "digest", "since", "since_at_latest", "pusher", "until", "removal" from "target"',
  values: [
    new Parameter('name'),
    new Parameter('tag'),
    new Parameter('tag'),
    new Parameter('name'),
    new Parameter('tag'),
    new Parameter('moves'),
  ],
  postgres: {
    name: 'history.tagTargets',
    sql: 'with recursive "target" as (select "tag"."past_id", tag.moves + 1 as "sequence", "manifest"."digest", "tag"."since", "tag"."since_at_latest", "tag"."pusher", null as "until", null as "removal", 0 as "steps" from "repository" inner join "tag" on "tag"."repository_id" = "repository"."id" inner join "manifest" on "manifest"."id" = "tag"."manifest_id" where "repository"."name" = $1 and "tag"."name" = $2 union all select "past"."past_id", "past"."sequence", "past"."digest", "past"."since", "past"."since_at_latest", "past"."pusher", "past"."until", "past"."removal", 1 as "steps" from "repository" inner join "past_tag" as "past" on past.id = (select last.id from past_tag as last\n                  where last.repository_id = repository.id and last.name = $3 and last.removal is not null\n                  order by last.id desc limit 1) where "repository"."name" = $4 and not exists (select 1 from tag where tag.repository_id = repository.id and tag.name = $5) union all select "past"."past_id", "past"."sequence", "past"."digest", "past"."since", "past"."since_at_latest", "past"."pusher", "past"."until", "past"."removal", target.steps + 1 as "steps" from "target" inner join "past_tag" as "past" on "past"."id" = "target"."past_id" where "target"."steps" < $6) select "sequence", "digest", "since", "since_at_latest", "pusher", "until", "removal" from "target"',
  },
}
