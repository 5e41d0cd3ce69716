import type { AuditRecord, AuditFacts } from './audit-record.ts'

/**
 * The number and times of equal accesses of one caller, where one line stands for several. Milliseconds since
 * the epoch.
 */
export interface Merged {
  readonly count: number
  readonly first: number
  readonly last: number
}

/** An event of the audit itself. */
export interface SystemEvent {
  readonly id: string
  readonly time: number
  readonly kind: 'started' | 'gap' | 'pruned'
  readonly data: AuditFacts
}

const decisions = { allowed: 'allow', denied: 'deny', failed: 'error' } as const
/** The facts that become members of `data`; other facts are left out. */
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
  'change',
  'admission',
]

/**
 * Formats a CloudEvents 1.0 event in the JSON format on one line; docs/audit.md describes its members. `row`:
 * the id of the outbox row.
 */
export function accessEvent(
  auditRecord: AuditRecord,
  at: {
    readonly source: string
    readonly facts: AuditFacts | undefined
    readonly row: number | undefined
    readonly merged?: Merged | undefined
  },
): string {
  const { actor, client, request } = auditRecord
  const facts = { ...auditRecord.facts, ...at.facts }
  const word = /^[a-z][a-z0-9-]{0,31}$/.test(auditRecord.action) ? auditRecord.action : 'other'
  return JSON.stringify({
    specversion: '1.0',
    id: auditRecord.id,
    source: at.source,
    type: `io.trow.${word}.${auditRecord.outcome}.v1`,
    time: new Date(auditRecord.time).toISOString(),
    subject: subjectOf(auditRecord),
    datacontenttype: 'application/json',
    data: {
      decision: decisions[auditRecord.outcome],
      reason: auditRecord.reason,
      action: auditRecord.action,
      actor: {
        user: actor.name,
        groups: actor.groups,
        auth: actor.kind,
        credentialId: actor.credentialId,
        serviceAccount: actor.serviceAccount,
        pod: actor.pod,
        node: actor.node,
      },
      repository: auditRecord.repository,
      reference: auditRecord.reference,
      ...Object.fromEntries(factNames.flatMap((name) => (name in facts ? [[name, facts[name]]] : []))),
      policy: auditRecord.policy,
      client: { ip: client.address, userAgent: client.userAgent },
      requestId: request.id,
      method: request.method,
      route: request.route,
      status: auditRecord.status,
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

/**
 * For example `team/app:1.0` or `team/app@sha256:…`. CloudEvents requires a subject to be absent rather than
 * empty.
 */
function subjectOf({ repository, reference }: AuditRecord): string | undefined {
  if (repository === undefined || reference === undefined) return repository ?? reference
  return `${repository}${reference.includes(':') ? '@' : ':'}${reference}`
}
