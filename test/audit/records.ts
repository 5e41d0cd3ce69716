import type { AuditActor, AuditRecord } from '../../src/audit/audit-record.ts'

export const actor: AuditActor = {
  name: 'system:serviceaccount:team-a:builder',
  groups: ['system:serviceaccounts'],
  kind: 'kubernetes',
  credentialId: 'JTI=1234',
  serviceAccount: { namespace: 'team-a', name: 'builder' },
  pod: 'builder-7d9f',
  node: 'n1',
}

export function auditRecordOf(id: string, extra: Partial<AuditRecord> = {}): AuditRecord {
  return {
    id,
    time: Date.UTC(2026, 10, 24, 7),
    action: 'push',
    outcome: 'allowed',
    reason: 'rule 3 of trow.yaml',
    actor,
    repository: 'team-a/app',
    reference: '1.0',
    client: { address: '10.0.0.1', userAgent: 'docker/29.1' },
    request: { id: `request-${id}`, method: 'PUT', route: '/v2/<name>/manifests/<reference>' },
    status: 201,
    ...extra,
  }
}

export const quiet = { debug() {}, info() {}, warn() {}, error() {} }
