import { firstTables } from './first-tables.ts'

/**
 * A migration's position, from 1, is its version. Released migrations are never edited. While a program of
 * the version before may still serve the same database, a migration only adds (expand); what nothing uses any
 * more is removed by a later one (contract), which raises `oldestProgram`.
 */
export const migrations: readonly Migration[] = [
  { sql: firstTables },
  {
    sql: `
  alter table upload add column parts text collate "C";
  -- In milliseconds.
  alter table pending_delete
    add column since bigint not null default (extract(epoch from clock_timestamp()) * 1000)::bigint;
  create index pending_delete_since on pending_delete (since);
  `,
  },
  {
    sql: `
  -- Failed logins of the last minutes: worth no write-ahead log. Keys are hashes, for people type passwords as names.
  create unlogged table login_failure (
    key text collate "C" primary key,
    count double precision not null,
    drain double precision not null,
    failed_at timestamptz not null
  );
  create index login_failure_failed_at on login_failure (failed_at);
  `,
  },
  {
    sql: `
  -- What processes judge by: the sets that were in force lately, and the newest of them.
  create table policy_set (generation bigint primary key, identity text collate "C" not null);
  create index policy_set_identity on policy_set (identity, generation);
  create table policy_in_force (
    one boolean primary key default true check (one),
    generation bigint not null,
    identity text collate "C" not null,
    heard_at timestamptz not null
  );

  -- Policies and exceptions that are kept here.
  create table policy_document (
    kind text collate "C" not null,
    name text collate "C" not null,
    document text not null,
    hash text not null,
    changed_by text not null,
    changed_at bigint not null,
    version bigint not null,
    primary key (kind, name)
  );
  create table policy_revision (one boolean primary key default true check (one), revision bigint not null);
  insert into policy_revision (revision) values (0);
  delete from setting where name = 'policy-generation';
  `,
  },
  {
    sql: `
  -- The audit log of a registry that several processes serve: the end of each chain, the lines that are in no
  -- object yet, and the segments before and among them. Times are milliseconds of this server's clock.
  create table audit_head (
    log text collate "C" primary key,
    seq bigint not null,
    hash text collate "C" not null,
    open_first bigint not null,
    open_bytes bigint not null,
    opened_at bigint not null
  ) with (fillfactor = 50);
  insert into audit_head (log, seq, hash, open_first, open_bytes, opened_at)
    select log, 0, repeat('0', 64), 1, 0, 0 from unnest(array['changes', 'denials', 'pulls']) as log;
  create table audit_line (
    log text collate "C" not null,
    seq bigint not null,
    line text collate "C" not null,
    primary key (log, seq)
  );
  -- closed: its lines are rows, and somebody is to seal it; sealed: they are in the object; given up: the object
  -- is to go.
  create table audit_segment (
    log text collate "C" not null,
    first bigint not null,
    last bigint not null,
    hash text collate "C" not null,
    bytes bigint not null,
    closed_at bigint not null,
    claimed_at bigint not null,
    state text collate "C" not null,
    object text collate "C",
    primary key (log, first)
  );
  create index audit_segment_state on audit_segment (log, state, first);
  create index audit_segment_last on audit_segment (log, last);
  `,
  },
  {
    sql: `
  -- The processes that serve the registry, and what they say of their settings. Each says it again within seconds:
  -- worth no write-ahead log.
  create unlogged table serving_process (
    id text collate "C" primary key,
    name text not null,
    settings text not null,
    heard_at timestamptz not null
  );
  `,
  },
  {
    sql: `
  -- A base layer has a link in every repository. Whichever index a plan takes, it finds the one link at once.
  drop index repository_blob_blob;
  create index repository_blob_blob on repository_blob (blob_id, repository_id);
  `,
  },
]

export interface Migration {
  readonly sql: string
  /** The oldest schema version whose program may still serve after this migration; undefined: unchanged. */
  readonly oldestProgram?: number
}
