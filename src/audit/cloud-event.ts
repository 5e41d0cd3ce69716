import type { AuditNote, Facts } from './audit-note.ts'

/** How often equal accesses of one caller came, where one line stands for several. Milliseconds since the epoch. */
export interface Merged {
  readonly count: number
  readonly first: number
  readonly last: number
}

/** What the audit says of itself: `started`, `gap`, `pruned`, `recovered`. */
export interface SystemEvent {
  readonly id: string
  readonly time: number
  readonly kind: 'started' | 'gap' | 'pruned'
  readonly data: Facts
}

const decisions = { allowed: 'allow', denied: 'deny', failed: 'error' } as const
/** The facts that become members of `data`; whatever else there is does not. */
const factNames = [
  'digest',
  'mediaType',
  'artifactType',
  'subject',
  'size',
  'from',
  'tags',
  'tagCount',
  'known',
  'upload',
]

/** CloudEvents 1.0, the JSON format, in one line: policy for its members in docs/audit.md. `row`: of the outbox. */
export function accessEvent(
  note: AuditNote,
  at: {
    readonly source: string
    readonly facts: Facts | undefined
    readonly row: number | undefined
    readonly merged?: Merged | undefined
  },
): string {
  const { actor, client, request } = note
  const facts = { ...note.facts, ...at.facts }
  const word = /^[a-z][a-z0-9-]{0,31}$/.test(note.action) ? note.action : 'other'
  return JSON.stringify({
    specversion: '1.0',
    id: note.id,
    source: at.source,
    type: `io.trow.${word}.${note.outcome}.v1`,
    time: new Date(note.time).toISOString(),
    subject: subjectOf(note),
    datacontenttype: 'application/json',
    data: {
      decision: decisions[note.outcome],
      reason: note.reason,
      action: note.action,
      actor: {
        user: actor.name,
        groups: actor.groups,
        auth: actor.kind,
        credentialId: actor.credentialId,
        serviceAccount: actor.serviceAccount,
        pod: actor.pod,
        node: actor.node,
      },
      repository: note.repository,
      reference: note.reference,
      ...Object.fromEntries(factNames.flatMap((name) => (name in facts ? [[name, facts[name]]] : []))),
      policy: note.policy,
      client: { ip: client.address, userAgent: client.userAgent },
      requestId: request.id,
      method: request.method,
      route: request.route,
      status: note.status,
      ...(at.merged !== undefined &&
        at.merged.count > 1 && {
          count: at.merged.count,
          firstTime: new Date(at.merged.first).toISOString(),
          lastTime: new Date(at.merged.last).toISOString(),
        }),
      row: at.row,
    },
  })
}

export function systemEvent(event: SystemEvent, source: string, row?: number): string {
  return JSON.stringify({
    specversion: '1.0',
    id: event.id,
    source,
    type: `io.trow.audit.${event.kind}.v1`,
    time: new Date(event.time).toISOString(),
    datacontenttype: 'application/json',
    data: { ...event.data, row },
  })
}

/** `team/app:1.0`, `team/app@sha256:…`; CloudEvents wants none rather than an empty one. */
function subjectOf({ repository, reference }: AuditNote): string | undefined {
  if (repository === undefined || reference === undefined) return repository ?? reference
  return `${repository}${reference.includes(':') ? '@' : ':'}${reference}`
}
