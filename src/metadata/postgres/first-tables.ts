/** The first migration: the tables that both engines have, and those that several processes need. */
export const firstTables = `
  create table repository (
    id bigint generated always as identity primary key,
    name text collate "C" not null unique,
    created_at bigint not null,
    vacated_at bigint
  );

  create table manifest (
    id bigint generated always as identity primary key,
    repository_id bigint not null references repository (id),
    digest text collate "C" not null,
    media_type text collate "C" not null,
    artifact_type text collate "C",
    subject text collate "C",
    size bigint not null,
    annotations text collate "C",
    pushed_at bigint not null,
    untagged_since bigint,
    first_seen bigint not null,
    seen_at_latest integer not null default 0,
    pusher text collate "C"
  );
  create unique index manifest_digest on manifest (repository_id, digest);
  create index manifest_subject on manifest (repository_id, subject, digest) where subject is not null;
  create index manifest_subject_type on manifest (repository_id, subject, lower(artifact_type), digest)
    where subject is not null;
  create index manifest_untagged on manifest (repository_id, untagged_since, id) where untagged_since is not null;

  create table manifest_body (manifest_id bigint primary key, body bytea not null);
  alter table manifest_body alter column body set storage external;

  create table manifest_reference (
    repository_id bigint not null,
    child text collate "C" not null,
    manifest_id bigint not null,
    kind text collate "C" not null,
    required integer not null,
    primary key (repository_id, child, manifest_id)
  );
  create index manifest_reference_parent on manifest_reference (manifest_id, child);

  create table tag (
    repository_id bigint not null,
    name text collate "C" not null,
    manifest_id bigint not null,
    updated_at bigint not null,
    since bigint not null,
    since_at_latest integer not null default 0,
    pusher text collate "C",
    past_id bigint,
    moves bigint not null default 0,
    primary key (repository_id, name)
  );
  create index tag_manifest on tag (manifest_id, name);

  create table past_manifest (
    repository_id bigint not null,
    digest text collate "C" not null,
    sequence bigint not null,
    first_seen bigint not null,
    seen_at_latest integer not null,
    pusher text collate "C",
    removed_at bigint not null,
    primary key (repository_id, digest)
  );
  create unique index past_manifest_sequence on past_manifest (repository_id, sequence);

  create table past_tag (
    id bigint generated always as identity primary key,
    past_id bigint,
    sequence bigint not null,
    digest text collate "C" not null,
    since bigint not null,
    since_at_latest integer not null,
    pusher text collate "C",
    until bigint not null,
    repository_id bigint,
    name text collate "C",
    removal bigint
  );
  create unique index past_tag_removal on past_tag (repository_id, removal) where removal is not null;
  create index past_tag_name on past_tag (repository_id, name, id) where removal is not null;

  create table blob (
    id bigint generated always as identity primary key,
    digest text collate "C" not null unique,
    size bigint not null,
    data_key text collate "C",
    state text collate "C" not null,
    unlinked_since bigint,
    condemned_at bigint,
    twin text collate "C"
  );
  create index blob_data_key on blob (data_key) where data_key is not null;
  create index blob_unlinked on blob (unlinked_since, id) where unlinked_since is not null;
  create index blob_condemned on blob (condemned_at, id) where condemned_at is not null;
  create index blob_twin on blob (twin) where twin is not null;

  create table blob_body (blob_id bigint primary key, body bytea not null);
  alter table blob_body alter column body set storage external;

  create table repository_blob (
    repository_id bigint not null,
    blob_id bigint not null,
    unreferenced_since bigint,
    primary key (repository_id, blob_id)
  );
  create index repository_blob_blob on repository_blob (blob_id);
  create index repository_blob_unreferenced on repository_blob (unreferenced_since, repository_id, blob_id)
    where unreferenced_since is not null;

  create table upload (
    id text collate "C" primary key,
    repository_id bigint not null,
    algorithm text collate "C" not null,
    data_key text collate "C",
    size bigint not null,
    inline_bytes bytea,
    hash_state bytea,
    digest text collate "C",
    cut_from bigint,
    started_at bigint not null,
    touched_at bigint not null,
    -- The claim: who writes to the upload, since when nothing was heard of that holder, and whether another
    -- request waits. The fence counts the claims.
    holder text collate "C",
    heard_at timestamptz,
    contested boolean not null default false,
    fence bigint not null default 0
  );
  create index upload_touched on upload (touched_at, id);
  create index upload_repository on upload (repository_id);
  create index upload_data_key on upload (data_key) where data_key is not null;
  create index upload_holder on upload (holder) where holder is not null;

  create table pending_delete (data_key text collate "C" primary key);
  create table lease (name text collate "C" primary key, holder text not null, expires_at bigint not null);
  create table setting (name text collate "C" primary key, value text not null);

  -- Transactions commit in another order than they take ids. The place is given to rows that are committed, so
  -- that a reader that goes along the places misses none.
  create table outbox (
    id bigint generated always as identity primary key,
    note text,
    facts text,
    total bigint not null,
    place bigint
  );
  create unique index outbox_place on outbox (place) where place is not null;
  create index outbox_waiting on outbox (id) where place is null;
  create table denial_outbox (
    id bigint generated always as identity primary key,
    note text,
    facts text,
    total bigint not null,
    place bigint
  );
  create unique index denial_outbox_place on denial_outbox (place) where place is not null;
  create index denial_outbox_waiting on denial_outbox (id) where place is null;
  create table outbox_head (kind text primary key, place bigint not null);
  insert into outbox_head (kind, place) values ('changes', 0), ('denials', 0);

  create table robot (
    name text collate "C" primary key,
    description text,
    secret_hash text not null,
    credential_id text not null,
    grants text not null,
    created_at bigint not null,
    expires_at bigint
  );
  create table signing_key (id text collate "C" primary key, private_key text not null, created_at bigint not null);
  create table login_source (
    name text collate "C" not null,
    network text collate "C" not null,
    seen_at bigint not null,
    primary key (name, network)
  );
  create index login_source_seen_at on login_source (seen_at);

  -- One row for each committed transaction: what it changed, and proof that it was committed.
  create table change_log (xid xid8 not null default pg_current_xact_id(), attempt uuid not null, slots int[] not null);
  create index change_log_xid on change_log (xid);
  create index change_log_attempt on change_log (attempt);
  create table change_log_floor (floor xid8 not null);
  insert into change_log_floor (floor) values ('0');
  -- Empty after every recovery of the server: then numbers of transactions may have been used again.
  create unlogged table epoch (one boolean primary key default true check (one), id uuid not null);
  `
