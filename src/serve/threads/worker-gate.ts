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
import type { AccessParts, GateOptions } from '../../http/gate.ts'
import { TokenRealm } from '../../http/token-realm.ts'
import { remoteMethods, ThreadChannel } from '../../messaging/thread-channel.ts'
import type { MetadataStore } from '../../metadata/metadata-store.ts'
import { hostsOf, rulesOf, tokenNames } from '../../settings/access-settings.ts'
import type { AuditPort, WorkerStart } from './thread-protocol.ts'

/** What a worker asks and tells of who may do what; empty where access is open and nothing is audited. */
export function openGate(
  start: WorkerStart,
  metadata: MetadataStore,
): { readonly gate: GateOptions; close(): void } {
  const audit = openTrail(start, metadata)
  return {
    gate: { access: openAccess(start), trail: audit?.trail },
    close() {
      audit?.merger.flush()
      // Open ports would keep the thread alive.
      start.access?.close()
      start.audit?.close()
    },
  }
}

function openAccess({ access: port, settings }: WorkerStart): AccessParts | undefined {
  if (port === undefined) return undefined
  const authority: Authority & NodeCertificates = remoteMethods(
    new ThreadChannel<Authority & NodeCertificates>(port),
    ['verify', 'verifyNode', 'review', 'reviewNamespace', 'reviewAudit', 'signingKeys', 'issue'],
  )
  const tokens = new OwnTokens({
    ...tokenNames,
    signingKeys: () => authority.signingKeys(),
    now: Date.now,
    newId: randomUUID,
  })
  return {
    access: new WorkerAccess({
      authority,
      rules: rulesOf(settings),
      auditReaders: new AuditReaders(settings['audit-readers']),
      tokens,
      reviews: settings.kubernetes,
      now: Date.now,
      cacheKey: randomBytes(32),
    }),
    tokens,
    realm: new TokenRealm(hostsOf(settings), new TrustedProxies(settings['trusted-proxies'])),
    service: tokenNames.service,
    nodeCertificates: settings.kubernetes ? authority : undefined,
    nodeAgents: settings['node-agents'],
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
    record: (notes) => outbox.denials.record(notes, Date.now()),
    denials: DenialTable.attach(denials),
    now: Date.now,
  })
  return { trail: new WorkerTrail({ merger, now: Date.now, newId: randomUUID }), merger }
}
