import type { Connection } from '../../../src/metadata/postgres/connection.ts'

/** How large a registry is made. Everything in it follows from these numbers. */
export interface RegistrySize {
  readonly manifests: number
  /** False: manifests without bodies and configs, which take less room. */
  readonly bodies: boolean
}

export function repositoriesOf({ manifests }: RegistrySize): number {
  return Math.max(100, Math.floor(manifests / 100))
}

/** The id of the layer of a manifest. */
export function layerOf({ bodies }: RegistrySize, manifest: number): number {
  return bodies ? 2 * manifest : manifest
}

/** The id of `base 0`; those of the others follow it. */
export function firstBaseOf({ manifests, bodies }: RegistrySize): number {
  return (bodies ? 2 : 1) * manifests + 1
}

/** Base layers, which every repository links. */
export const bases = 10
/** Tags of one manifest, and moves of one tag, of the largest repository. */
export const many = 1000

/** Its ids are known: no other program uses the database. */
const ids = 'overriding system value'

/**
 * Fills an empty database. A tenth of the manifests is in repository 1, a tenth of those refers to manifest 10, and
 * manifest 20 is an index of as many. Each manifest has a layer of its own and a base layer, and a config where there are
 * bodies. There are no statistics yet. The texts of the digests are `manifest 1`, `layer 1`, `config 1`, `base 0`.
 */
export async function fillRegistry(connection: Connection, size: RegistrySize): Promise<void> {
  const { manifests, bodies } = size
  const repositories = repositoriesOf(size)
  const repository = `case when n % 10 = 0 then 1 else 2 + n % ${repositories - 1} end`
  const digest = (text: string, number = 'n'): string =>
    `'sha256:' || encode(sha256(convert_to('${text} ' || ${number}, 'UTF8')), 'hex')`
  const upTo = (count: number, first = 1): string => `from generate_series(${first}, ${Math.floor(count)}) n`
  const baseId = (number: string): string => `${firstBaseOf(size)} + ${number}`
  const looseId = `${firstBaseOf(size) + bases - 1} + n`
  const layerId = bodies ? '2 * n' : 'n'
  const loose = manifests / 100
  const sameBefore = 10 * (repositories - 1)
  const isUntagged = 'n % 50 in (7, 30)'

  const fillings = [
    `insert into repository (id, name, created_at) ${ids} select n, 'team/app' || n, 1 ${upTo(repositories)}`,
    `insert into manifest (id, repository_id, digest, media_type, subject, artifact_type, size, pushed_at, untagged_since, first_seen)
     ${ids} select n, ${repository}, ${digest('manifest')}, case n when 20 then 'application/vnd.oci.image.index.v1+json' else 'application/vnd.oci.image.manifest.v1+json' end,
       case when n % 1000 = 0 then ${digest('manifest', '10')} when n % 10 = 3 and n > ${sameBefore} then ${digest('manifest', `(n - ${sameBefore})`)} end,
       case when n % 1000 = 0 then 'application/sig' when n % 10 = 3 then 'application/sbom' end, 1200, n, case when ${isUntagged} then n end, 1
     ${upTo(manifests)}`,
    bodies &&
      `insert into manifest_body select n, decode(repeat(md5(n::text), 75), 'hex') ${upTo(manifests)}`,
    `insert into tag (repository_id, name, manifest_id, updated_at, since) select ${repository}, 'v' || n, n, 1, 1 ${upTo(manifests)} where not (${isUntagged})`,
    `insert into tag (repository_id, name, manifest_id, updated_at, since) select 1, 'extra' || n, 10, 1, 1 ${upTo(many)}`,
    `insert into tag (repository_id, name, manifest_id, updated_at, since) values (1, 'everything', 20, 1, 1)`,
    bodies &&
      `insert into blob (id, digest, size, state, twin) ${ids} select 2 * n - 1, ${digest('config')}, 300, 'live', case when n % 100 = 0 then 'sha512:' || n end ${upTo(manifests)}`,
    bodies &&
      `insert into blob_body select 2 * n - 1, decode(repeat(md5(n::text), 19), 'hex') ${upTo(manifests)}`,
    `insert into blob (id, digest, size, data_key, state) ${ids} select ${layerId}, ${digest('layer')}, 1000000, md5('layer ' || n), 'live' ${upTo(manifests)}`,
    `insert into blob (id, digest, size, data_key, state) ${ids} select ${baseId('n')}, ${digest('base')}, 1000000, md5('base ' || n), 'live' ${upTo(bases - 1, 0)}`,
    // Two in ten of the others have lost their last link, and one of those is marked.
    `insert into blob (id, digest, size, data_key, state, unlinked_since, condemned_at) ${ids}
     select ${looseId}, ${digest('loose')}, 1000, md5('loose ' || n), case when n % 10 = 0 then 'condemned' else 'live' end, case when n % 5 = 0 then n end, case when n % 10 = 0 then n end ${upTo(loose)}`,
    bodies && `insert into repository_blob select ${repository}, 2 * n - 1, null ${upTo(manifests)}`,
    `insert into repository_blob select ${repository}, ${layerId}, null ${upTo(manifests)}`,
    `insert into repository_blob select n, ${baseId('k')}, null ${upTo(repositories)}, generate_series(0, ${bases - 1}) k`,
    `insert into repository_blob select ${repository}, ${looseId}, n ${upTo(loose)} where n % 5 <> 0`,
    bodies &&
      `insert into manifest_reference select ${repository}, ${digest('config')}, n, 'config', 1 ${upTo(manifests)}`,
    `insert into manifest_reference select ${repository}, ${digest('layer')}, n, 'layer', 1 ${upTo(manifests)}`,
    `insert into manifest_reference select ${repository}, ${digest('base', `(n % ${bases})`)}, n, 'layer', 1 ${upTo(manifests)}`,
    `insert into manifest_reference select 1, ${digest('manifest', '(n * 10)')}, 20, 'manifest', 1 ${upTo(manifests / 100)}`,
    `insert into past_manifest select ${repository}, ${digest('past')}, n, 1, 0, null, n ${upTo(manifests / 2)}`,
    `insert into past_tag (id, sequence, digest, since, since_at_latest, until, repository_id, name, removal)
     ${ids} select n, 1, ${digest('past')}, 1, 0, n, ${repository}, 'w' || n, n ${upTo(manifests / 2)}`,
    `insert into past_tag (id, past_id, sequence, digest, since, since_at_latest, until)
     ${ids} select ${Math.floor(manifests / 2)} + n, case when n > 1 then ${Math.floor(manifests / 2)} + n - 1 end, n, ${digest('moved')}, n, 0, n + 1 ${upTo(many)}`,
    `insert into tag (repository_id, name, manifest_id, updated_at, since, past_id, moves) values (1, 'moved', 30, 1, 1, ${Math.floor(manifests / 2) + many}, ${many})`,
    `insert into upload (id, repository_id, algorithm, size, data_key, started_at, touched_at, holder, heard_at)
     select 'u' || n, ${repository}, 'sha256', n % 2, case when n % 2 = 1 then md5('upload ' || n) end, 1, n, case when n % 100 = 0 then 'h' || n end, case when n % 100 = 0 then now() end ${upTo(manifests / 50)}`,
    `insert into pending_delete (data_key, since) select md5('gone ' || n), n ${upTo(manifests / 100)}`,
    ...['outbox', 'denial_outbox'].map(
      (table) =>
        `insert into ${table} (note, total, place) select 'x', n, case when n % 100 <> 0 then n end ${upTo(Math.min(200_000, manifests / 10))}`,
    ),
    `update outbox_head set place = ${manifests}`,
    `insert into audit_line select 'changes', n, 'x' ${upTo(manifests / 2)}`,
    `insert into audit_segment (log, first, last, hash, bytes, closed_at, claimed_at, state, object)
     select 'changes', n * 10, n * 10 + 9, 'x', 1, 1, 1, case when n % 1000 = 0 then 'closed' else 'sealed' end, 'x' ${upTo(Math.min(20_000, manifests / 50))}`,
    `insert into change_log (attempt, slots) select gen_random_uuid(), '{1,2,3}' ${upTo(Math.min(100_000, manifests))}`,
    `insert into login_source (name, network, seen_at) select 'user' || n / 20, '10.0.0.' || n % 20, n ${upTo(manifests / 50)}`,
    `insert into login_failure (key, count, drain, failed_at) select 'key' || n, 1, 0.1, now() ${upTo(20_000)}`,
    `insert into robot (name, secret_hash, credential_id, grants, created_at) select 'robot' || n, 'x', 'x', '[]', 1 ${upTo(1000)}`,
  ]

  await withoutIndexes(connection, async () => {
    for (const filling of fillings) if (filling !== false) await connection.run(filling)
  })
  for (const table of ['repository', 'manifest', 'blob', 'past_tag'])
    await connection.run(
      `select setval(pg_get_serial_sequence('${table}', 'id'), (select id from ${table} order by id desc limit 1))`,
    )
}

const large = ['repository', 'manifest', 'manifest_body', 'manifest_reference', 'tag', 'past_manifest', 'past_tag', 'blob', 'blob_body', 'repository_blob'] // prettier-ignore

/** Indexes that are made at the end cost a third of those that grow with every row. */
async function withoutIndexes(connection: Connection, fill: () => Promise<void>): Promise<void> {
  const among = `in (${large.map((table) => `'public.${table}'::regclass`).join(', ')})`
  const { rows: constraints } = await connection.run<{ drop: string; add: string; foreign: number }>(
    `select format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop, contype = 'f' as foreign,
       format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as add
     from pg_constraint where contype in ('p', 'u', 'f') and (conrelid ${among} or confrelid ${among})`,
  )
  const { rows: indexes } = await connection.run<{ drop: string; add: string }>(
    `select format('drop index %s', indexrelid::regclass) as drop, pg_get_indexdef(indexrelid) as add
     from pg_index where indrelid ${among} and not exists (select 1 from pg_constraint where conindid = indexrelid)`,
  )
  const first = constraints.filter(({ foreign }) => foreign === 1)
  const own = constraints.filter(({ foreign }) => foreign === 0)
  const joins = ['seqscan', 'hashjoin', 'mergejoin', 'bitmapscan', 'material'].map(
    (way) => `set enable_${way} = on`,
  )
  await connection.run(
    [...joins, 'set synchronous_commit = off', `set maintenance_work_mem = '1GB'`].join('; '),
  )
  for (const { drop } of [...first, ...own, ...indexes]) await connection.run(drop)
  // What nobody reads after a crash costs no log; `repository` stays, since others refer to it.
  for (const table of large)
    if (table !== 'repository') await connection.run(`alter table ${table} set unlogged`)
  await fill()
  for (const { add } of [...own, ...indexes, ...first]) await connection.run(add)
  // Back to what a connection of the registry has.
  await connection.run('reset all')
}
