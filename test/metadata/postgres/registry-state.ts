import type { Connection } from '../../../src/metadata/postgres/connection.ts'
import type { PostgresChangeName } from '../../../src/metadata/postgres/postgres-changes.ts'
import { digestOf } from '../metadata-store-contract.ts'

const line = (kind: string, columns: string, from: string): string =>
  `select concat_ws(' ', '${kind}', ${columns
    .split(', ')
    .map((column) => `coalesce((${column})::text, '-')`)
    .join(', ')}) as line from ${from}`

/** Everything that changes can change, as one text, without ids and without times of the engine. */
export const contents = `select string_agg(line, e'\\n' order by line) as contents from (${[
  line('repository', 'name, created_at, vacated_at', 'repository'),
  line('manifest', 'r.name, digest, media_type, untagged_since, first_seen, b.manifest_id=m.id', 'manifest m left join repository r on r.id = m.repository_id left join manifest_body b on b.manifest_id = m.id'),
  line('reference', 'r.name, child, m.digest, required', 'manifest_reference f left join manifest m on m.id = manifest_id left join repository r on r.id = f.repository_id'),
  line('tag', 'r.name, t.name, m.digest, updated_at, since, moves', 'tag t left join manifest m on m.id = manifest_id left join repository r on r.id = t.repository_id'),
  line('past manifest', 'r.name, digest, p.first_seen, removed_at', 'past_manifest p left join repository r on r.id = p.repository_id'),
  line('past tag', 'r.name, p.name, digest, since, until, sequence', 'past_tag p left join repository r on r.id = p.repository_id'),
  line('blob', 'digest, data_key, state, unlinked_since, condemned_at, twin, y.blob_id=b.id', 'blob b left join blob_body y on y.blob_id = b.id'),
  line('link', 'r.name, b.digest, unreferenced_since', 'repository_blob l left join blob b on b.id = blob_id left join repository r on r.id = repository_id'),
  line('upload', 'u.id, r.name, data_key, size, holder, contested, fence', 'upload u left join repository r on r.id = u.repository_id'),
  line('pending', 'data_key', 'pending_delete'),
  line('process', 'id, name', 'serving_process'),
  line('lease', 'name, holder', 'lease'),
  line('setting', 'name, value', `(select name, case name when 'commit-marks' then json_array_length(value::json->'marks')::text else value end as value from setting) as settings`),
  line('outbox', 'note, facts', 'outbox'),
  line('denial', 'note, facts', 'denial_outbox'),
  line('outbox head', 'kind, place', 'outbox_head'),
  line('robot', 'name', 'robot'),
  line('key', 'count(*)', 'signing_key'),
  line('source', 'name, network, seen_at', 'login_source'),
  line('failure', 'key, round(count)', 'login_failure'),
  line('document', 'kind, name, hash, version', 'policy_document'),
  line('revision', 'revision', 'policy_revision'),
  line('set', 'generation, identity', 'policy_set'),
  line('in force', 'generation, identity', 'policy_in_force'),
  line('head', 'log, seq, hash, open_first, open_bytes', 'audit_head'),
  line('line', 'log, seq, line', 'audit_line'),
  line('segment', 'log, first, last, state, object', 'audit_segment'),
].join(' union all ')}) as lines` // prettier-ignore

/** Each statement returns rows for what must never be. */
const wholeness: Readonly<Record<string, string>> = {
  'a manifest whose content is gone': `select 1 from manifest_reference r join manifest m on m.id = r.manifest_id
    where m.digest <> '${digestOf('sparse')}' and r.required = 1
    and not exists (select 1 from blob join repository_blob l on l.blob_id = blob.id where blob.digest = r.child and l.repository_id = r.repository_id)
    and not exists (select 1 from manifest c where c.repository_id = r.repository_id and c.digest = r.child)`,
  'a link without its blob': 'select 1 from repository_blob where not exists (select 1 from blob where id = blob_id)',
  'a link without its repository': 'select 1 from repository_blob where not exists (select 1 from repository where id = repository_id and vacated_at is null)',
  'an upload without its repository': 'select 1 from upload where not exists (select 1 from repository where id = repository_id and vacated_at is null)',
  'a manifest without its repository': 'select 1 from manifest where not exists (select 1 from repository where id = repository_id and vacated_at is null)',
  'a manifest without its body': 'select 1 from manifest where not exists (select 1 from manifest_body where manifest_id = id)',
  'a body without its manifest': 'select 1 from manifest_body where not exists (select 1 from manifest where id = manifest_id)',
  'a blob without its bytes': 'select 1 from blob where data_key is null and not exists (select 1 from blob_body where blob_id = id)',
  'bytes without their blob': 'select 1 from blob_body where not exists (select 1 from blob where id = blob_id)',
  'a blob that nobody links and nothing will collect': 'select 1 from blob where unlinked_since is null and not exists (select 1 from repository_blob where blob_id = id)',
  'a linked blob that is marked for deletion': `select 1 from blob where state = 'condemned' and exists (select 1 from repository_blob where blob_id = id)`,
  'a link that a manifest needs and that runs out': `select 1 from repository_blob l join blob on blob.id = l.blob_id
    where l.unreferenced_since is not null and exists (select 1 from manifest_reference r where r.repository_id = l.repository_id and r.child = blob.digest)`,
  'a link that nothing needs and that never runs out': `select 1 from repository_blob l join blob on blob.id = l.blob_id
    where l.unreferenced_since is null and not exists (select 1 from manifest_reference r where r.repository_id = l.repository_id and r.child = blob.digest)`,
  'a tag without its manifest': 'select 1 from tag t where not exists (select 1 from manifest m where m.id = t.manifest_id and m.repository_id = t.repository_id)',
  'a manifest without a tag that never runs out': 'select 1 from manifest where untagged_since is null and not exists (select 1 from tag where manifest_id = manifest.id)',
  'a tagged manifest that runs out': 'select 1 from manifest where untagged_since is not null and exists (select 1 from tag where manifest_id = manifest.id)',
  'a reference of no manifest': 'select 1 from manifest_reference r where not exists (select 1 from manifest where id = r.manifest_id)',
  'a manifest that is there and gone': 'select 1 from manifest m join past_manifest p on p.repository_id = m.repository_id and p.digest = m.digest',
  'a second signing key of one day': 'select 1 from signing_key having count(*) > 1',
  'places of the outbox that are not in order': 'select 1 from outbox where place is not null having count(distinct place) < count(*) or max(place) > (select place from outbox_head where kind = \'changes\')',
  'a gap in the audit log': `select 1 from audit_head h where exists (select 1 from generate_series(h.open_first, h.seq) n where not exists (select 1 from audit_line l where l.log = h.log and l.seq = n))`,
} // prettier-ignore

const content = 'a manifest whose content is gone'
/** They remove content that manifests need, because it is lost or wrong. */
const losing: readonly PostgresChangeName[] = ['dropBlob', 'discardManifest']

export async function unwhole(
  connection: Connection,
  changes: readonly PostgresChangeName[],
): Promise<string[]> {
  const names = Object.keys(wholeness)
  const all = names
    .map((name) => `select '${name}' as what where exists (${wholeness[name]})`)
    .join(' union all ')
  const { rows } = await connection.run<{ what: string }>(all, [], 'wholeness')
  const mayLose = changes.some((name) => losing.includes(name))
  return rows.map(({ what }) => what).filter((what) => !(mayLose && what === content))
}
