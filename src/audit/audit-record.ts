/**
 * An access decision or a change before it is added to the hash chain: the parts of its CloudEvent that only
 * the request's handler knows. Holds no credential, no query string and no header except those named here.
 */
export interface AuditRecord {
  /** Unique; becomes the CloudEvent's id. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly time: number
  /**
   * `pull`, `push`, `delete`, `list`, `mount`, `token`, `login` … ; the event's type is
   * `io.trow.<action>.<outcome>.v1`.
   */
  readonly action: string
  readonly outcome: 'allowed' | 'denied' | 'failed'
  /** The reason in words: the rule, the binding, or why it was refused. */
  readonly reason: string
  readonly actor: AuditActor
  readonly repository: string | undefined
  /** As the client sent it: a tag, a digest or an upload's id. */
  readonly reference: string | undefined
  readonly client: { readonly address: string; readonly userAgent: string }
  readonly request: { readonly id: string; readonly method: string; readonly route: string }
  readonly status: number | undefined
  /** Policy results; undefined: none. */
  readonly policy?: readonly PolicyRecord[] | undefined
  /**
   * Facts about what was read (`digest`, `mediaType`, `size`); the facts of a change are kept with the change
   * instead.
   */
  readonly facts?: AuditFacts | undefined
}

/**
 * A policy's result for an image: a denial, or a denial that did not apply because of the policy's mode or an
 * exception.
 */
export interface PolicyRecord {
  readonly policy: string
  /** `denied`, `warned`, `would-deny`, `excepted` or `unchecked`. */
  readonly outcome: string
  /** The reason's code, such as `DENY_LIST`. */
  readonly reason: string
  /** The rule's scope, or the deny list's entry. */
  readonly rule?: string | undefined
  readonly exception?: string | undefined
}

/** JSON: what a change did (`ChangeFacts` of the metadata), or what was read. */
export type AuditFacts = Readonly<Record<string, unknown>>

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

/** An actor that no request has identified: only its name is known. */
export function namedActor(kind: string, name: string): AuditActor {
  const unknown = { credentialId: undefined, serviceAccount: undefined, pod: undefined, node: undefined }
  return { name, groups: [], kind, ...unknown }
}

/**
 * Longest texts, in UTF-16 units: longer ones are cut and end in `…`. Further groups and policies are left
 * out.
 */
const longest = { name: 256, text: 1024, id: 128, userAgent: 256, address: 64, rule: 512 } as const
const mostGroups = 32
const mostPolicies = 32

/**
 * Encodes an audit record as the text that is stored with a change. Only fields of AuditRecord are included,
 * and long values are cut.
 */
export function encodeAuditRecord(auditRecord: AuditRecord): string {
  return JSON.stringify(bounded(auditRecord))
}

/** Undefined where the text is not an audit record. */
export function decodeAuditRecord(text: string): AuditRecord | undefined {
  try {
    const auditRecord = JSON.parse(text) as AuditRecord
    return typeof auditRecord.id === 'string' &&
      typeof auditRecord.time === 'number' &&
      typeof auditRecord.actor === 'object'
      ? bounded(auditRecord)
      : undefined
  } catch {
    return undefined
  }
}

function bounded(auditRecord: AuditRecord): AuditRecord {
  const { client, request } = auditRecord
  return {
    id: cut(auditRecord.id, longest.id),
    time: auditRecord.time,
    action: cut(auditRecord.action, longest.id),
    outcome: auditRecord.outcome,
    reason: cut(auditRecord.reason, longest.text),
    actor: boundedActor(auditRecord.actor),
    repository: optional(auditRecord.repository, longest.name),
    reference: optional(withoutQuery(auditRecord.reference), longest.name),
    client: {
      address: cut(client.address, longest.address),
      userAgent: cut(client.userAgent, longest.userAgent),
    },
    request: {
      id: cut(request.id, longest.id),
      method: cut(request.method, longest.id),
      route: cut(withoutQuery(request.route) ?? '', longest.name),
    },
    status: auditRecord.status,
    ...(auditRecord.policy !== undefined && {
      policy: auditRecord.policy.slice(0, mostPolicies).map(boundedPolicy),
    }),
    ...(auditRecord.facts !== undefined && { facts: auditRecord.facts }),
  }
}

function boundedPolicy({ policy, outcome, reason, rule, exception }: PolicyRecord): PolicyRecord {
  return {
    policy: cut(policy, longest.name),
    outcome: cut(outcome, longest.id),
    reason: cut(reason, longest.id),
    rule: optional(rule, longest.rule),
    exception: optional(exception, longest.name),
  }
}

function boundedActor(actor: AuditActor): AuditActor {
  const { serviceAccount } = actor
  return {
    name: cut(actor.name, longest.name),
    groups: actor.groups.slice(0, mostGroups).map((group) => cut(group, longest.name)),
    kind: cut(actor.kind, longest.id),
    credentialId: optional(actor.credentialId, longest.id),
    serviceAccount: serviceAccount && {
      namespace: cut(serviceAccount.namespace, longest.name),
      name: cut(serviceAccount.name, longest.name),
    },
    pod: optional(actor.pod, longest.name),
    node: optional(actor.node, longest.name),
  }
}

/** A query string may contain a signature or a token. */
function withoutQuery(text: string | undefined): string | undefined {
  return text?.split('?', 1)[0]
}

function optional(text: string | undefined, length: number): string | undefined {
  return text === undefined ? undefined : cut(text, length)
}

function cut(text: string, length: number): string {
  const whole = text.length <= length ? text : `${text.slice(0, length - 1)}…`
  return whole.toWellFormed()
}
