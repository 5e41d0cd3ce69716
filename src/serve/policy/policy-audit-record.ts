import { encodeAuditRecord, namedActor, type AuditFacts, type AuditRecord } from '../../audit/audit-record.ts'
import type { EncodedAuditRecord } from '../../metadata/outbox.ts'
import type { SeenAuthor } from './announced-changes.ts'
import type { PolicyChange } from '../../policy-store/policy-change.ts'

const actions = {
  created: 'policy-create',
  changed: 'policy-change',
  deleted: 'policy-delete',
  rejected: 'policy-reject',
} as const

const reasons = {
  created: 'it was created where policies are kept',
  changed: 'it was changed where policies are kept',
  deleted: 'it was deleted where policies are kept',
} as const

/** Who made a change, as a webhook saw it; `unannounced`: no webhook had announced it when this was written. */
export type Author = SeenAuthor | 'unannounced' | undefined

interface RecordParts {
  readonly newId: () => string
  readonly now: number
  /** Undefined: there is no webhook that could see it. */
  readonly author: Author
}

/** The audit record of a change of a policy or exception that came into force, or that was rejected. */
export function policyAuditRecord(
  change: PolicyChange,
  { generation, ...parts }: RecordParts & { readonly generation: number },
): EncodedAuditRecord {
  const facts = { change: { ...changeFacts(change, parts.author), generation } }
  return encodeAuditRecord({ ...bareRecord(change, parts), facts })
}

/** The same in parts, for one who knows the generation later. */
export function policyAuditParts(
  change: PolicyChange,
  parts: RecordParts,
): { readonly auditRecord: EncodedAuditRecord; readonly change: AuditFacts } {
  return {
    auditRecord: encodeAuditRecord(bareRecord(change, parts)),
    change: changeFacts(change, parts.author),
  }
}

function bareRecord(change: PolicyChange, { newId, now, author }: RecordParts): AuditRecord {
  const { kind, object, changedBy, problem } = change
  const seen = typeof author === 'object' ? author : undefined
  return {
    id: newId(),
    time: now,
    action: actions[kind],
    outcome: kind === 'rejected' ? 'failed' : 'allowed',
    reason: kind === 'rejected' ? (problem ?? '') : reasons[kind],
    actor:
      seen === undefined
        ? namedActor('policy-source', changedBy ?? '')
        : { ...namedActor('api-server', seen.user), groups: seen.groups },
    repository: undefined,
    reference: object,
    client: { address: '', userAgent: '' },
    request: { id: '', method: '', route: '' },
    status: undefined,
  }
}

function changeFacts(
  { kind, unit, hash, before, changedBy, changedAt }: PolicyChange,
  author: Author,
): AuditFacts {
  const seen = typeof author === 'object' ? author : undefined
  return {
    unit,
    hash,
    before,
    ...(changedAt !== undefined && { changedAt: new Date(changedAt).toISOString() }),
    ...(changedBy !== undefined && { changedBy }),
    ...(author !== undefined && kind !== 'rejected' && { webhook: seen?.id ?? 'not announced' }),
  }
}
