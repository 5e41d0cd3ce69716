import type { AccessMerger } from './access-merger.ts'
import { encodeAuditRecord, type AuditActor, type AuditRecord } from './audit-record.ts'
import type { AuditedAccess, AuditTrail } from './trail.ts'

export interface WorkerTrailParts {
  readonly merger: AccessMerger
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Returns a UUID. */
  readonly newId: () => string
}

const serviceAccountName = /^system:serviceaccount:([^:]+):([^:]+)$/
const podName = 'authentication.kubernetes.io/pod-name'
const nodeName = 'authentication.kubernetes.io/node-name'

/** The audit trail of one worker. */
export class WorkerTrail implements AuditTrail {
  readonly #parts: WorkerTrailParts
  readonly #actors = new WeakMap<AuditedAccess['actor'], AuditActor>()

  constructor(parts: WorkerTrailParts) {
    this.#parts = parts
  }

  allowed(access: AuditedAccess): void {
    const actor = this.#actorOf(access.actor)
    const { address, repository, reference, action, reason, status, policy } = access
    this.#parts.merger.allowed(
      { actor, address, repository, reference, action, reason, status, policy },
      () => this.#auditRecordOf(access, 'allowed'),
    )
  }

  denied(access: AuditedAccess): Promise<string | undefined> {
    const actor = this.#actorOf(access.actor)
    const { address, repository, reference, action, reason, status, policy } = access
    return this.#parts.merger.denied(
      { actor, address, repository, reference, action, reason, status, policy },
      () => this.#auditRecordOf(access, 'denied'),
    )
  }

  auditRecord(access: AuditedAccess): string {
    return encodeAuditRecord(this.#auditRecordOf(access, 'allowed'))
  }

  #auditRecordOf(access: AuditedAccess, outcome: AuditRecord['outcome']): AuditRecord {
    const { action, reason, repository, reference, digest, status, policy } = access
    return {
      id: this.#parts.newId(),
      time: this.#parts.now(),
      action,
      outcome,
      reason,
      actor: this.#actorOf(access.actor),
      repository,
      reference,
      client: { address: access.address, userAgent: access.userAgent },
      request: { id: access.requestId, method: access.method, route: access.route },
      status,
      policy,
      ...(digest !== undefined && { facts: { digest } }),
    }
  }

  /** Always returns the same object for the same caller. */
  #actorOf(given: AuditedAccess['actor']): AuditActor {
    let actor = this.#actors.get(given)
    if (actor === undefined) {
      const { name, groups, kind, credentialId, extra } = given
      const [, namespace, account] = serviceAccountName.exec(name) ?? []
      actor = {
        name,
        groups,
        kind,
        credentialId,
        serviceAccount:
          namespace === undefined || account === undefined ? undefined : { namespace, name: account },
        pod: extra?.[podName]?.[0],
        node: extra?.[nodeName]?.[0] ?? (name.startsWith('system:node:') ? name.slice(12) : undefined),
      }
      this.#actors.set(given, actor)
    }
    return actor
  }
}
