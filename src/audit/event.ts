/**
 * What an access decision or a change is to the audit, before it is chained: the parts of a CloudEvent that only the
 * serving road knows. Holds no credential, query string or header but those named here.
 */
export interface AuditNote {
  /** Unique; the CloudEvent's id. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly time: number
  /** `pull`, `push`, `delete`, `list`, `mount`, `token`, `login` … : `io.trow.<action>.<outcome>.v1`. */
  readonly action: string
  readonly outcome: 'allowed' | 'denied' | 'failed'
  /** Why, in words: the rule, the binding, the refusal. */
  readonly reason: string
  readonly actor: AuditActor
  readonly repository: string | undefined
  /** As typed: a tag, a digest or an upload's id. */
  readonly reference: string | undefined
  readonly client: { readonly address: string; readonly userAgent: string }
  readonly request: { readonly id: string; readonly method: string; readonly route: string }
  readonly status: number | undefined
  /** What was read, where there was no change to say it: `digest`, `mediaType`, `size`. */
  readonly facts?: Facts | undefined
}

/** JSON: what a change did (`Facts` of the metadata), or what was read. */
export type Facts = Readonly<Record<string, unknown>>

export interface AuditActor {
  readonly name: string
  readonly groups: readonly string[]
  /** Kind of authentication. */
  readonly kind: string
  readonly credentialId: string | undefined
  readonly serviceAccount: { readonly namespace: string; readonly name: string } | undefined
  readonly pod: string | undefined
  readonly node: string | undefined
}

/** One access as the serving road sees it: made for every request, so it holds what is at hand and no more. */
export interface AuditedAccess {
  readonly action: string
  readonly reason: string
  readonly actor: {
    readonly kind: string
    readonly name: string
    readonly groups: readonly string[]
    readonly credentialId?: string
    readonly extra?: Readonly<Record<string, readonly string[]>>
  }
  readonly repository: string | undefined
  readonly reference: string | undefined
  /** What the reference was resolved to. */
  readonly digest: string | undefined
  readonly status: number
  readonly address: string
  readonly userAgent: string
  readonly requestId: string
  readonly method: string
  readonly route: string
}
