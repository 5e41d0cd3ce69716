import { queryAt } from '../test/support/postgres-server.ts'
import { digestOf, manifestType, type Content } from './content.ts'

/** Repositories with as many manifests in all, so that caches miss as often; one repository has all of them. */
export interface SeededWidths {
  readonly wide: SeededWidth
  readonly narrow: SeededWidth
}

export interface SeededWidth {
  /** One of the repositories. */
  readonly repository: string
  readonly manifestPaths: readonly string[]
  readonly blobPaths: readonly string[]
  readonly config: Pick<Content, 'digest' | 'size'>
  readonly layer: Pick<Content, 'digest' | 'size'>
}

const configSize = 900
const layerBytes = Buffer.alloc(10 * 1024, 7)
const layer = { digest: digestOf(layerBytes), size: layerBytes.length }

/**
 * Writes repositories straight into a database that has the tables of a registry and that nobody serves: `rows/wide` of
 * `manifests`, and `rows/narrow-0`, `rows/narrow-1`, … of 10 each. Each manifest has a tag, a config of its own (900
 * bytes, a row) and a layer that all share.
 */
export async function seedDatabase(url: string, manifests: number): Promise<SeededWidths> {
  const narrow = Math.ceil(manifests / 10)
  await queryAt(url, seedText(manifests, narrow))
  const names = Array.from({ length: narrow }, (_, number) => `rows/narrow-${number}`)
  return {
    wide: widthOf(['rows/wide'], manifests),
    narrow: widthOf(names, 10),
  }
}

function widthOf(names: readonly string[], manifests: number): SeededWidth {
  const indexes = Array.from({ length: manifests }, (_, index) => index)
  const repository = names[0] as string
  return {
    repository,
    manifestPaths: names.flatMap((name) => indexes.map((index) => `/v2/${name}/manifests/v${index}`)),
    blobPaths: names.flatMap((name) =>
      indexes.map((index) => `/v2/${name}/blobs/${digestOf(configOf(name, index))}`),
    ),
    config: { digest: digestOf(configOf(repository, 0)), size: configSize },
    layer,
  }
}

/** As the statement below makes it. */
function configOf(name: string, index: number): Buffer {
  return Buffer.from(`config ${name} ${index} `.padEnd(configSize, 'x'))
}

function seedText(manifests: number, narrow: number): string {
  const now = Date.now()
  return `
begin;
insert into repository (name, created_at)
  select 'rows/wide', ${now} union all select 'rows/narrow-' || n, ${now} from generate_series(0, ${narrow - 1}) n;
create temporary table made on commit drop as
  select made.*, 'sha256:' || encode(sha256(config), 'hex') as config_digest
  from (
    select repository.id as repository_id, 'v' || i as tag,
      convert_to(rpad('config ' || name || ' ' || i || ' ', ${configSize}, 'x'), 'UTF8') as config
    from repository, generate_series(0, case name when 'rows/wide' then ${manifests} else 10 end - 1) i
    where name like 'rows/%'
  ) made;
create temporary table described on commit drop as
  select repository_id, tag, config_digest, body, 'sha256:' || encode(sha256(body), 'hex') as digest
  from made, convert_to(
    '{"schemaVersion":2,"mediaType":"${manifestType}","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"'
    || config_digest || '","size":${configSize}},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"${layer.digest}","size":${layer.size}}]}',
    'UTF8') as body;
insert into blob (digest, size, state)
  select '${layer.digest}', ${layer.size}, 'live' union all select config_digest, ${configSize}, 'live' from made;
insert into blob_body (blob_id, body)
  select id, config from made join blob on digest = config_digest
  union all select id, decode('${layerBytes.toString('hex')}', 'hex') from blob where digest = '${layer.digest}';
insert into repository_blob (repository_id, blob_id)
  select repository_id, id from made join blob on digest = config_digest
  union all select repository.id, blob.id from repository, blob
    where name like 'rows/%' and digest = '${layer.digest}';
insert into manifest (repository_id, digest, media_type, size, pushed_at, first_seen)
  select repository_id, digest, '${manifestType}', length(body), ${now}, ${now} from described;
insert into manifest_body (manifest_id, body)
  select id, body from described join manifest using (repository_id, digest);
insert into manifest_reference (repository_id, child, manifest_id, kind, required)
  select repository_id, child, id, 'blob', 1 from described join manifest using (repository_id, digest),
    unnest(array[config_digest, '${layer.digest}']) child;
insert into tag (repository_id, name, manifest_id, updated_at, since)
  select repository_id, tag, id, ${now}, ${now} from described join manifest using (repository_id, digest);
commit;
analyze`
}
