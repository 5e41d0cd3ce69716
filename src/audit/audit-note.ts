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
  /** What policies said; undefined: nothing. */
  readonly policy?: readonly PolicyNote[] | undefined
  /** What was read, where there was no change to say it: `digest`, `mediaType`, `size`. */
  readonly facts?: Facts | undefined
}

/** What a policy said of an image: that it refuses it, or what would have been refused but for its mode or an exception. */
export interface PolicyNote {
  readonly policy: string
  /** `denied`, `warned`, `would-deny`, `excepted` or `unchecked`. */
  readonly outcome: string
  /** The code: `DENY_LIST`. */
  readonly reason: string
  /** The scope of the rule, or the entry of the deny list. */
  readonly rule?: string | undefined
  readonly exception?: string | undefined
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

/** Longest texts, in UTF-16 units; what is longer ends in `…`. Most groups and policies: the rest is left out. */
const longest = { name: 256, text: 1024, id: 128, userAgent: 256, address: 64, rule: 512 } as const
const mostGroups = 32
const mostPolicies = 32

/** A note as the text that travels with a change. Only what AuditNote names is taken, and no more of it than is sane. */
export function encodeNote(note: AuditNote): string {
  return JSON.stringify(bounded(note))
}

/** Undefined where it is no note. */
export function decodeNote(text: string): AuditNote | undefined {
  try {
    const note = JSON.parse(text) as AuditNote
    return typeof note.id === 'string' && typeof note.time === 'number' && typeof note.actor === 'object'
      ? bounded(note)
      : undefined
  } catch {
    return undefined
  }
}

function bounded(note: AuditNote): AuditNote {
  const { client, request } = note
  return {
    id: cut(note.id, longest.id),
    time: note.time,
    action: cut(note.action, longest.id),
    outcome: note.outcome,
    reason: cut(note.reason, longest.text),
    actor: boundedActor(note.actor),
    repository: optional(note.repository, longest.name),
    reference: optional(withoutQuery(note.reference), longest.name),
    client: {
      address: cut(client.address, longest.address),
      userAgent: cut(client.userAgent, longest.userAgent),
    },
    request: {
      id: cut(request.id, longest.id),
      method: cut(request.method, longest.id),
      route: cut(withoutQuery(request.route) ?? '', longest.name),
    },
    status: note.status,
    ...(note.policy !== undefined && { policy: note.policy.slice(0, mostPolicies).map(boundedPolicy) }),
    ...(note.facts !== undefined && { facts: note.facts }),
  }
}

function boundedPolicy({ policy, outcome, reason, rule, exception }: PolicyNote): PolicyNote {
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

/** A query string may hold a signature or a token. */
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
