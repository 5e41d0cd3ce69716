import type { Generated } from 'kysely'

/** The tables, as migrations.ts makes them. Times are milliseconds since the epoch, flags 0 or 1. */
export interface Schema {
  repository: {
    id: Generated<number>
    name: string
    created_at: number
    /** Set while nothing is in it but its history: it is not known then. */
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
    /** Set while no tag points here. */
    untagged_since: number | null
    /** In this repository, before a removal too. */
    first_seen: number
    /** 1: it may have been there before that. */
    seen_at_latest: Generated<number>
    /** Of the push that it was first seen by; null: unknown. */
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
    /** When it came to point to this manifest. */
    since: number
    /** 1: it may have pointed there before that. */
    since_at_latest: Generated<number>
    pusher: string | null
  }
  /** Of digests that the repository does not hold any more. */
  past_manifest: {
    repository_id: number
    digest: string
    /** Of the removals in the repository. */
    sequence: number
    first_seen: number
    seen_at_latest: number
    pusher: string | null
    removed_at: number
  }
  /** What tags pointed to before. */
  past_tag: {
    repository_id: number
    name: string
    /** Of what this tag pointed to. */
    sequence: number
    digest: string
    since: number
    since_at_latest: number
    pusher: string | null
    until: number
    /** Null: the tag was moved. Else it was removed, and this is the removal's place among those of the repository's tags. */
    removal: number | null
  }
  blob: {
    id: Generated<number>
    digest: string
    size: number
    /** Null: the bytes are a row of blob_body. */
    data_key: string | null
    state: string
    /** Set while no repository links the blob. */
    unlinked_since: number | null
    condemned_at: number | null
    /** The SHA-256 digest of the same bytes, of one that is kept under another algorithm; null: not computed. */
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
    /** Null: the bytes so far are in `inline_bytes`. */
    data_key: string | null
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
  /** Notes of changes. */
  outbox: WaitingNotes
  /** Notes of denials: they take no room of changes. */
  denial_outbox: WaitingNotes
  robot: {
    name: string
    description: string | null
    /** SHA-256, hexadecimal. */
    secret_hash: string
    credential_id: string
    /** JSON. */
    grants: string
    created_at: number
    expires_at: number | null
  }
  signing_key: {
    /** RFC 7638 thumbprint. */
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

interface WaitingNotes {
  /** Never used twice. */
  id: Generated<number>
  /** Null: a row of trow's own, about what went unrecorded. */
  note: string | null
  /** JSON. */
  facts: string | null
  /** Characters of this row and of those that waited before it. */
  total: number
}
