import { UserError } from '../../user-error.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

/**
 * Migrations only go forward; a migration's position is its version. A released migration is never edited.
 */
export const migrations: readonly string[] = [
  `
  create table repository (id integer primary key, name text not null unique, created_at integer not null);

  create table manifest (
    id integer primary key,
    repository_id integer not null references repository (id),
    digest text not null,
    media_type text not null,
    artifact_type text,
    subject text,
    size integer not null,
    annotations text,
    pushed_at integer not null,
    untagged_since integer
  );
  create unique index manifest_digest on manifest (repository_id, digest);
  create index manifest_subject on manifest (repository_id, subject, digest) where subject is not null;
  create index manifest_untagged on manifest (repository_id, untagged_since, id) where untagged_since is not null;

  create table manifest_body (manifest_id integer primary key, body blob not null);

  create table manifest_reference (
    repository_id integer not null,
    child text not null,
    manifest_id integer not null,
    kind text not null,
    required integer not null,
    primary key (repository_id, child, manifest_id)
  ) without rowid;
  create index manifest_reference_parent on manifest_reference (manifest_id);

  create table tag (
    repository_id integer not null,
    name text not null,
    manifest_id integer not null,
    updated_at integer not null,
    primary key (repository_id, name)
  ) without rowid;
  create index tag_manifest on tag (manifest_id);

  create table blob (
    id integer primary key,
    digest text not null unique,
    size integer not null,
    data_key text,
    state text not null,
    unlinked_since integer,
    condemned_at integer
  );
  create index blob_data_key on blob (data_key) where data_key is not null;
  create index blob_unlinked on blob (unlinked_since, id) where unlinked_since is not null;
  create index blob_condemned on blob (condemned_at, id) where condemned_at is not null;

  create table blob_body (blob_id integer primary key, body blob not null);

  create table repository_blob (
    repository_id integer not null,
    blob_id integer not null,
    unreferenced_since integer,
    primary key (repository_id, blob_id)
  ) without rowid;
  create index repository_blob_blob on repository_blob (blob_id);
  create index repository_blob_unreferenced on repository_blob (unreferenced_since, repository_id, blob_id)
    where unreferenced_since is not null;

  create table upload (
    id text primary key,
    repository_id integer not null,
    algorithm text not null,
    data_key text,
    size integer not null,
    inline_bytes blob,
    hash_state blob,
    digest text,
    started_at integer not null,
    touched_at integer not null
  );
  create index upload_touched on upload (touched_at, id);
  create index upload_repository on upload (repository_id);
  create index upload_data_key on upload (data_key) where data_key is not null;

  create table pending_delete (data_key text primary key) without rowid;
  create table lease (name text primary key, holder text not null, expires_at integer not null) without rowid;
  create table setting (name text primary key, value text not null) without rowid;
  `,
  `
  create table outbox (
    id integer primary key autoincrement,
    note text,
    facts text,
    total integer not null
  );
  `,
  `
  create table robot (
    name text primary key,
    description text,
    secret_hash text not null,
    credential_id text not null,
    grants text not null,
    created_at integer not null,
    expires_at integer
  ) without rowid;
  create table signing_key (
    id text primary key,
    private_key text not null,
    created_at integer not null
  ) without rowid;
  `,
  `
  alter table upload add column cut_from integer;
  `,
  `
  create index manifest_subject_type on manifest (repository_id, subject, artifact_type, digest)
    where subject is not null;
  `,
  `
  create table login_source (
    name text not null,
    network text not null,
    seen_at integer not null,
    primary key (name, network)
  ) without rowid;
  create index login_source_seen_at on login_source (seen_at);
  `,
  `
  drop index manifest_subject_type;
  create index manifest_subject_type on manifest (repository_id, subject, artifact_type collate nocase, digest)
    where subject is not null;
  `,
  `
  create table denial_outbox (
    id integer primary key autoincrement,
    note text,
    facts text,
    total integer not null
  );
  `,
  `
  alter table repository add column vacated_at integer;

  alter table manifest add column first_seen integer not null default 0;
  alter table manifest add column seen_at_latest integer not null default 0;
  alter table manifest add column pusher text;
  update manifest set first_seen = pushed_at, seen_at_latest = 1;

  alter table tag add column since integer not null default 0;
  alter table tag add column since_at_latest integer not null default 0;
  alter table tag add column pusher text;
  alter table tag add column past_id integer;
  alter table tag add column moves integer not null default 0;
  update tag set since = updated_at, since_at_latest = 1;

  create table past_manifest (
    repository_id integer not null,
    digest text not null,
    sequence integer not null,
    first_seen integer not null,
    seen_at_latest integer not null,
    pusher text,
    removed_at integer not null,
    primary key (repository_id, digest)
  ) without rowid;
  create unique index past_manifest_sequence on past_manifest (repository_id, sequence);

  create table past_tag (
    id integer primary key,
    past_id integer,
    sequence integer not null,
    digest text not null,
    since integer not null,
    since_at_latest integer not null,
    pusher text,
    until integer not null,
    repository_id integer,
    name text,
    removal integer
  );
  create unique index past_tag_removal on past_tag (repository_id, removal) where removal is not null;
  create index past_tag_name on past_tag (repository_id, name) where removal is not null;

  alter table blob add column twin text;
  create index blob_twin on blob (twin) where twin is not null;
  `,
  `
  alter table upload add column parts text;

  alter table pending_delete rename to pending_delete_without_time;
  create table pending_delete (
    data_key text primary key,
    since integer not null default (unixepoch() * 1000)
  ) without rowid;
  insert into pending_delete (data_key) select data_key from pending_delete_without_time;
  drop table pending_delete_without_time;
  create index pending_delete_since on pending_delete (since);
  `,
  `
  -- Policies and exceptions that a database kept, on their way through a backup: nothing here is judged by them.
  create table policy_document (
    kind text not null,
    name text not null,
    document text not null,
    hash text not null,
    changed_by text not null,
    changed_at integer not null,
    version integer not null,
    primary key (kind, name)
  ) without rowid;
  `,
]

/** The schema version of this program: its number of migrations. */
export const schemaVersion = migrations.length

/**
 * Brings the file to this program's schema, each migration in its own transaction. Throws UserError
 * SCHEMA_NEWER when a newer trow has written the file.
 */
export function migrate(database: SqliteDatabase, path: string, steps = migrations): void {
  const version = Number(database.query('pragma user_version')?.['user_version'] ?? 0)
  if (version > steps.length) {
    throw new UserError(
      'SCHEMA_NEWER',
      `${path} was written by a newer trow: its schema is version ${version}, this program knows ${steps.length}`,
      { hint: 'Start the newer trow, or restore a backup that was made before the upgrade.' },
    )
  }
  for (let next = version; next < steps.length; next++) {
    database.execute('begin immediate')
    try {
      database.execute(steps[next] as string)
      database.execute(`pragma user_version = ${next + 1}`)
      database.execute('commit')
    } catch (error) {
      if (database.inTransaction) database.execute('rollback')
      throw error
    }
  }
}
