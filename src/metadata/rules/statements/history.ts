// Made of ../queries/history.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/history.ts'

export const forgetManifestsTo: typeof queries.forgetManifestsTo = {
  sql: 'delete from "past_manifest" where "repository_id" = ? and "sequence" <= ?',
  values: [new Parameter('repository'), new Parameter('sequence')],
}
export const forgetMovesTo: typeof queries.forgetMovesTo = {
  sql: 'delete from "past_tag" where "repository_id" = ? and "name" = ? and "sequence" <= ?',
  values: [new Parameter('repository'), new Parameter('tag'), new Parameter('sequence')],
}
export const forgetOldestManifests: typeof queries.forgetOldestManifests = {
  sql: 'delete from "past_manifest" where "repository_id" = ? and "sequence" <= (select max(sequence) from past_manifest where repository_id = ?) - ?',
  values: [new Parameter('repository'), new Parameter('repository'), new Parameter('kept')],
}
export const forgetOldestMoves: typeof queries.forgetOldestMoves = {
  sql: 'delete from "past_tag" where (repository_id, name, sequence) in (\n        select ?, listed.value, (select max(past.sequence) from past_tag as past\n          where past.repository_id = ? and past.name = listed.value) - ?\n        from json_each(?) as listed)',
  values: [
    new Parameter('repository'),
    new Parameter('repository'),
    new Parameter('kept'),
    new Parameter('list'),
  ],
}
export const historyByRepository: typeof queries.historyByRepository = {
  sql: 'select "id", (select removed_at from past_manifest where repository_id = repository.id order by sequence limit 1) as "manifest_removed_at", (select until from past_tag where repository_id = repository.id and removal is not null order by removal limit 1) as "tag_removed_at" from "repository" where "id" > ? order by "id" limit ? + 0',
  values: [new Parameter('afterId'), new Parameter('limit')],
}
export const keepManifest: typeof queries.keepManifest = {
  sql: 'insert into "past_manifest" ("repository_id", "digest", "sequence", "first_seen", "seen_at_latest", "pusher", "removed_at") select "repository_id", "digest", 1 + coalesce((select max(sequence) from past_manifest where repository_id = ?), 0) as "sequence", "first_seen", "seen_at_latest", "pusher", ? as "removed_at" from "manifest" where "id" = ?',
  values: [new Parameter('repository'), new Parameter('now'), new Parameter('manifest')],
}
export const keepTags: typeof queries.keepTags = {
  sql: 'insert into "past_tag" ("repository_id", "name", "sequence", "digest", "since", "since_at_latest", "pusher", "until", "removal") select "tag"."repository_id", "tag"."name", 1 + coalesce((select max(past.sequence) from past_tag as past\n            where past.repository_id = tag.repository_id and past.name = tag.name), 0) as "sequence", "manifest"."digest", "tag"."since", "tag"."since_at_latest", "tag"."pusher", max(tag.since, ?) as "until", case when ? = 1 then listed.key + 1 + coalesce((select max(past.removal) from past_tag as past\n            where past.repository_id = ? and past.removal is not null), 0) end as "removal" from json_each(?) as "listed" cross join "tag" cross join "manifest" where "tag"."repository_id" = ? and "tag"."name" = "listed"."value" and "manifest"."id" = "tag"."manifest_id"',
  values: [
    new Parameter('now'),
    new Parameter('removed'),
    new Parameter('repository'),
    new Parameter('list'),
    new Parameter('repository'),
  ],
}
export const lastRemoval: typeof queries.lastRemoval = {
  sql: 'select "removal" from "past_tag" where "repository_id" = ? and "removal" is not null order by "removal" desc limit ? + 0',
  values: [new Parameter('repository'), 1],
}
export const oldestManifests: typeof queries.oldestManifests = {
  sql: 'select "sequence", "removed_at" from "past_manifest" where "repository_id" = ? order by "sequence" limit ? + 0',
  values: [new Parameter('repository'), new Parameter('limit')],
}
export const oldestRemovals: typeof queries.oldestRemovals = {
  sql: 'select "name", "sequence", "until", "removal" from "past_tag" where "repository_id" = ? and "removal" <= ? order by "removal" limit ? + 0',
  values: [new Parameter('repository'), new Parameter('to'), new Parameter('limit')],
}
export const pastManifest: typeof queries.pastManifest = {
  sql: 'select "first_seen", "seen_at_latest", "pusher" from "past_manifest" where "repository_id" = ? and "digest" = ?',
  values: [new Parameter('repository'), new Parameter('digest')],
}
export const removePastManifest: typeof queries.removePastManifest = {
  sql: 'delete from "past_manifest" where "repository_id" = ? and "digest" = ?',
  values: [new Parameter('repository'), new Parameter('digest')],
}
export const seenManifest: typeof queries.seenManifest = {
  sql: 'select "manifest"."first_seen", "manifest"."seen_at_latest", "manifest"."pusher", null as "removed_at" from "repository" inner join "manifest" on "manifest"."repository_id" = "repository"."id" where "repository"."name" = ? and "manifest"."digest" = ? union all select "past"."first_seen", "past"."seen_at_latest", "past"."pusher", "past"."removed_at" from "repository" inner join "past_manifest" as "past" on "past"."repository_id" = "repository"."id" where "repository"."name" = ? and "past"."digest" = ?',
  values: [new Parameter('name'), new Parameter('digest'), new Parameter('name'), new Parameter('digest')],
}
export const tagTargets: typeof queries.tagTargets = {
  sql: 'select null as "sequence", "manifest"."digest", "tag"."since", "tag"."since_at_latest", "tag"."pusher", null as "until", null as "removal" from "repository" inner join "tag" on "tag"."repository_id" = "repository"."id" inner join "manifest" on "manifest"."id" = "tag"."manifest_id" where "repository"."name" = ? and "tag"."name" = ? union all select "past"."sequence", "past"."digest", "past"."since", "past"."since_at_latest", "past"."pusher", "past"."until", "past"."removal" from "repository" inner join "past_tag" as "past" on "past"."repository_id" = "repository"."id" where "repository"."name" = ? and "past"."name" = ?',
  values: [new Parameter('name'), new Parameter('tag'), new Parameter('name'), new Parameter('tag')],
}
