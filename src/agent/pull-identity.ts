import type { X509Certificate } from 'node:crypto'
import type { NodeProblem, NodeReport } from '../cluster/node-report.ts'
import type { NodeSettings } from '../cluster/node-settings.ts'
import { reasonOf } from '../reason-of.ts'
import type { MachineFacts } from '../trust/node-trust.ts'
import type { IssuedCertificate } from './issued-certificate.ts'
import { readKeyPair, type KeyPairFile } from './key-pair-file.ts'

export interface PullIdentity {
  readonly kind: NodeReport['identity']['kind']
  /** For `client =` of hosts.toml. */
  readonly pair: KeyPairFile | undefined
  readonly notAfter: string | undefined
  readonly problems: readonly NodeProblem[]
}

/**
 * Milliseconds before its expiry at which a kubelet's certificate is replaced by one that trow issues: longer
 * than the time between two checks, and longer than a pull that begins with it.
 */
const leaveBefore = 120_000

/**
 * Each pod's own account: the kubelet passes the pod's token to the runtime. Without a certificate, which a
 * runtime would send instead of the token.
 */
export const podIdentity: PullIdentity = {
  kind: 'service-account',
  pair: undefined,
  notAfter: undefined,
  problems: [],
}

interface IdentityParts {
  readonly hostRoot: string
  readonly facts: MachineFacts
  readonly settings: NodeSettings
  readonly bundle: string
  readonly issued: IssuedCertificate
  readonly now: number
}

/** The expiry of the certificate on the node. Undefined: there is none, or it must be renewed. */
export async function standingIdentity(parts: IdentityParts): Promise<string | undefined> {
  const { hostRoot, facts, settings, bundle, issued, now } = parts
  if (facts.kubeletCertificate !== undefined) {
    const state = await readKeyPair(hostRoot, facts.kubeletCertificate, now)
    if (state.usable && (!settings.issueCertificates || isLasting(state.certificate, now)))
      return state.certificate.validToDate.toISOString()
  }
  if (!settings.issueCertificates) return undefined
  const current = await issued.current()
  if (current === undefined || (await issued.isDue(current.certificate, bundle))) return undefined
  return current.certificate.validToDate.toISOString()
}

/**
 * The identity with which this node's runtime pulls: the kubelet's own certificate if it is usable and does
 * not expire at once; otherwise one that trow issues, made or renewed here; otherwise none. A kubelet that
 * renews its certificate does so long before its expiry.
 */
export async function pullIdentity(parts: IdentityParts & { readonly node: string }): Promise<PullIdentity> {
  const { hostRoot, facts, settings, bundle, issued, now } = parts
  const problems: NodeProblem[] = []
  let ending: PullIdentity | undefined
  if (facts.kubeletCertificate !== undefined) {
    const state = await readKeyPair(hostRoot, facts.kubeletCertificate, now)
    const reason = state.usable
      ? `${facts.kubeletCertificate.certificate} ends at ${state.certificate.validToDate.toISOString()}`
      : state.reason
    if (state.usable) {
      const own = identityOf('kubelet', facts.kubeletCertificate, state.certificate, problems)
      if (!settings.issueCertificates || isLasting(state.certificate, now)) return own
      ending = own
    }
    problems.push({
      code: 'KUBELET_CERTIFICATE_UNUSABLE',
      message: reason,
      file: facts.kubeletCertificate.certificate,
      hint: `On node ${parts.node}: openssl x509 -noout -dates -in ${facts.kubeletCertificate.certificate}`,
      fatal: false,
    })
  }
  if (!settings.issueCertificates) return identityOf('none', undefined, undefined, problems)
  await issued.adopt()
  let current = await issued.current()
  if (current === undefined || (await issued.isDue(current.certificate, bundle))) {
    try {
      await issued.renew()
      current = await issued.current()
    } catch (error) {
      problems.push({
        code: 'CERTIFICATE_NOT_ISSUED',
        message: `the registry gave this node no certificate: ${reasonOf(error)}`,
        hint: `kubectl -n ${settings.registry.namespace} logs statefulset/trow tells why; it is asked again by itself.`,
        fatal: current === undefined && ending === undefined,
      })
    }
  }
  if (current === undefined) return ending ?? identityOf('none', undefined, undefined, problems)
  return identityOf('issued', current.pair, current.certificate, problems)
}

function isLasting({ validToDate }: X509Certificate, now: number): boolean {
  return validToDate.getTime() - now > leaveBefore
}

function identityOf(
  kind: PullIdentity['kind'],
  pair: KeyPairFile | undefined,
  certificate: X509Certificate | undefined,
  problems: readonly NodeProblem[],
): PullIdentity {
  return { kind, pair, notAfter: certificate?.validToDate.toISOString(), problems }
}
