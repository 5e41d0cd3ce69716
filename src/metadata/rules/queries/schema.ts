import type { Generated } from 'kysely'

/** The tables as migrations.ts creates them. Times are milliseconds since the epoch; flags are 0 or 1. */
export interface Schema {
  repository: {
    id: Generated<number>
    name: string
    created_at: number
    /** Set while the repository holds nothing but history; it then counts as unknown. */
    vacated_at: Generated<number | null>
  }
  manifest: {
    id: Generated<number>
    repository_id: number
    digest: string
    media_type: string
    artifact_type: string | null
    subject: string | null
    size: number
    /** JSON. */
    annotations: string | null
    pushed_at: number
    /** Set while no tag points to the manifest. */
    untagged_since: number | null
    /** When this repository first held the manifest, including before a removal. */
    first_seen: number
    /** 1: the manifest may have been there before first_seen. */
    seen_at_latest: Generated<number>
    /** The user whose push was first seen; null: unknown. */
    pusher: string | null
  }
  manifest_body: {
    manifest_id: number
    body: Uint8Array
  }
  manifest_reference: {
    repository_id: number
    child: string
    manifest_id: number
    kind: string
    required: number
  }
  tag: {
    repository_id: number
    name: string
    manifest_id: number
    updated_at: number
    /** When the tag began to point to this manifest. */
    since: number
    /** 1: the tag may have pointed there before that. */
    since_at_latest: Generated<number>
    pusher: string | null
    /** The row of its last target in `past_tag`. */
    past_id: number | null
    /** Counts the moves and removals of this tag. */
    moves: Generated<number>
  }
  /** Digests that the repository no longer holds. */
  past_manifest: {
    repository_id: number
    digest: string
    /** Counts the removals in the repository. */
    sequence: number
    first_seen: number
    seen_at_latest: number
    pusher: string | null
    removed_at: number
  }
  /**
   * Earlier targets of tags. Each row names the target before it, so a move appends one row and changes no index.
   * Only a removal names its tag, because the row of the tag is deleted then.
   */
  past_tag: {
    id: Generated<number>
    /**
     * The target before; the row may be deleted. The id never belongs to another tag: SQLite gives an id again only
     * after all rows with larger ids are deleted.
     */
    past_id: number | null
    /** Counts the targets of this tag. */
    sequence: number
    digest: string
    since: number
    since_at_latest: number
    pusher: string | null
    until: number
    repository_id: number | null
    name: string | null
    /**
     * Null: the tag was moved. Otherwise the tag was removed, and this counts the tag removals of the
     * repository.
     */
    removal: number | null
  }
  blob: {
    id: Generated<number>
    digest: string
    size: number
    /** Null: the bytes are in blob_body. */
    data_key: string | null
    state: string
    /** Set while no repository links the blob. */
    unlinked_since: number | null
    condemned_at: number | null
    /**
     * The SHA-256 digest of the same bytes, for a blob stored under another algorithm; null: not computed.
     */
    twin: string | null
  }
  blob_body: {
    blob_id: number
    body: Uint8Array
  }
  repository_blob: {
    repository_id: number
    blob_id: number
    /** Set while no manifest of the repository refers to the blob. */
    unreferenced_since: number | null
  }
  upload: {
    id: string
    repository_id: number
    algorithm: string
    /** Null: the bytes received so far are in `inline_bytes`. */
    data_key: string | null
    /** How the blob store keeps the bytes of `data_key`: its own text. */
    parts: string | null
    size: number
    inline_bytes: Uint8Array | null
    hash_state: Uint8Array | null
    digest: string | null
    cut_from: number | null
    started_at: number
    touched_at: number
  }
  pending_delete: {
    data_key: string
    /** When the rows of the bytes went, by the engine's clock. */
    since: Generated<number>
  }
  lease: {
    name: string
    holder: string
    expires_at: number
  }
  setting: {
    name: string
    value: string
  }
  /** Audit records of changes. */
  outbox: WaitingAuditRecords
  /** Audit records of denials: they take no room from changes. */
  denial_outbox: WaitingAuditRecords
  robot: {
    name: string
    description: string | null
    /** SHA-256, in hexadecimal. */
    secret_hash: string
    credential_id: string
    /** JSON. */
    grants: string
    created_at: number
    expires_at: number | null
  }
  signing_key: {
    /** The key's thumbprint (RFC 7638). */
    id: string
    /** PKCS #8 PEM. */
    private_key: string
    created_at: number
  }
  login_source: {
    name: string
    network: string
    seen_at: number
  }
}

interface WaitingAuditRecords {
  /** Never reused. */
  id: Generated<number>
  /** Null: a row that counts unrecorded changes. */
  note: string | null
  /** JSON. */
  facts: string | null
  /** Characters of this row and of all rows that were waiting before it. */
  total: number
}
