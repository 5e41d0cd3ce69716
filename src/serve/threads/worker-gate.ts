import { randomBytes, randomUUID } from 'node:crypto'
import { AuditReaders } from '../../access/audit-readers.ts'
import type { Authority } from '../../access/authority.ts'
import { OwnTokens } from '../../access/own-tokens.ts'
import type { NodeCertificates } from '../../access/node-certificates.ts'
import { WorkerAccess } from '../../access/worker-access.ts'
import { AccessMerger } from '../../audit/access-merger.ts'
import { DenialTable } from '../../audit/denial-table.ts'
import type { AuditTrail } from '../../audit/trail.ts'
import { WorkerTrail } from '../../audit/worker-trail.ts'
import { TrustedProxies } from '../../http/client-address.ts'
import type { AccessParts } from '../../http/access-check.ts'
import type { GateOptions } from '../../http/gate.ts'
import { TokenRealm } from '../../http/token-realm.ts'
import { remoteMethods, ThreadChannel } from '../../messaging/thread-channel.ts'
import type { MetadataStore } from '../../metadata/metadata-store.ts'
import { hostsOf, rulesOf, tokenNames } from '../../settings/access-settings.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import type { AuditPort, WorkerStart } from './thread-protocol.ts'

interface OpenGate {
  readonly gate: GateOptions
  /** Drops what is known of credentials and rights. */
  forget(): void
  setSettings(settings: Settings): void
  close(): void
}

/**
 * Builds the worker's access checks and audit trail; each is undefined where access is open or there is no
 * audit.
 */
export function openGate(start: WorkerStart, metadata: MetadataStore): OpenGate {
  const audit = openTrail(start, metadata)
  const { access, forget, setSettings } = openAccess(start)
  return {
    gate: { access, trail: audit?.trail },
    forget,
    setSettings,
    close() {
      audit?.merger.flush()
      // An open port would keep the thread alive.
      start.access?.close()
      start.audit?.close()
    },
  }
}

interface OpenAccess extends Pick<OpenGate, 'forget' | 'setSettings'> {
  readonly access: AccessParts | undefined
}

function openAccess({ access: port, settings }: WorkerStart): OpenAccess {
  if (port === undefined) return { access: undefined, forget: () => {}, setSettings: () => {} }
  const authority: Authority & NodeCertificates = remoteMethods(
    new ThreadChannel<Authority & NodeCertificates>(port),
    [
      'verify',
      'verifyNode',
      'review',
      'reviewNamespace',
      'reviewAudit',
      'reviewAdmission',
      'signingKeys',
      'issue',
    ],
  )
  const tokens = new OwnTokens({
    ...tokenNames,
    signingKeys: () => authority.signingKeys(),
    now: Date.now,
    newId: randomUUID,
  })
  let rules = rulesOf(settings)
  let auditReaders = new AuditReaders(settings['audit-readers'])
  const access = new WorkerAccess({
    authority,
    rules: () => rules,
    auditReaders: () => auditReaders,
    tokens,
    reviews: settings.kubernetes,
    now: Date.now,
    cacheKey: randomBytes(32),
  })
  return {
    access: {
      access,
      tokens,
      realm: new TokenRealm(hostsOf(settings), new TrustedProxies(settings['trusted-proxies'])),
      service: tokenNames.service,
      nodeCertificates: settings.kubernetes ? authority : undefined,
      nodeAgents: settings['node-agents'],
    },
    forget: () => access.forget(),
    setSettings(changed) {
      rules = rulesOf(changed)
      auditReaders = new AuditReaders(changed['audit-readers'])
      access.forget()
    },
  }
}

function openTrail(
  { audit: port, denials }: WorkerStart,
  { outbox }: MetadataStore,
): { readonly trail: AuditTrail; readonly merger: AccessMerger } | undefined {
  if (port === undefined) return undefined
  const channel = new ThreadChannel<AuditPort>(port)
  const merger = new AccessMerger({
    report: (batch) => channel.tell('merged', [batch]),
    record: (auditRecords) => outbox.denials.record(auditRecords, Date.now()),
    denials: DenialTable.attach(denials),
    now: Date.now,
  })
  return { trail: new WorkerTrail({ merger, now: Date.now, newId: randomUUID }), merger }
}
