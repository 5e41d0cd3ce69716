import type { X509Certificate } from 'node:crypto'
import type { NodeProblem, NodeReport } from '../cluster/node-report.ts'
import type { NodeSettings } from '../cluster/node-settings.ts'
import type { NodeFacts } from '../trust/node-trust.ts'
import type { IssuedCertificate } from './issued-certificate.ts'
import { readKeyPair, type KeyPairFile } from './key-pair-file.ts'

export interface PullIdentity {
  readonly kind: NodeReport['identity']['kind']
  /** For `client =` of hosts.toml. */
  readonly pair: KeyPairFile | undefined
  readonly notAfter: string | undefined
  readonly problems: readonly NodeProblem[]
}

/** Each pod's own: the kubelet hands its token to the runtime, which shows a certificate before it shows a token. */
export const podIdentity: PullIdentity = {
  kind: 'service-account',
  pair: undefined,
  notAfter: undefined,
  problems: [],
}

interface IdentityParts {
  readonly hostRoot: string
  readonly facts: NodeFacts
  readonly settings: NodeSettings
  readonly bundle: string
  readonly issued: IssuedCertificate
  readonly now: number
}

/** Until when the certificate that stands on the node holds; undefined where there is none, or where it is to be renewed. */
export async function standingIdentity(parts: IdentityParts): Promise<string | undefined> {
  const { hostRoot, facts, settings, bundle, issued, now } = parts
  if (facts.kubeletCertificate !== undefined) {
    const state = await readKeyPair(hostRoot, facts.kubeletCertificate, now)
    if (state.usable) return state.certificate.validToDate.toISOString()
  }
  if (!settings.issueCertificates) return undefined
  const current = await issued.current()
  if (current === undefined || (await issued.isDue(current.certificate, bundle))) return undefined
  return current.certificate.validToDate.toISOString()
}

/**
 * As whom this node's runtime pulls: by the kubelet's own certificate where it can be used, else by one that trow issues
 * and that is made or renewed here, else as nobody.
 */
export async function pullIdentity(parts: IdentityParts & { readonly node: string }): Promise<PullIdentity> {
  const { hostRoot, facts, settings, bundle, issued, now } = parts
  const problems: NodeProblem[] = []
  if (facts.kubeletCertificate !== undefined) {
    const state = await readKeyPair(hostRoot, facts.kubeletCertificate, now)
    if (state.usable) return identityOf('kubelet', facts.kubeletCertificate, state.certificate, problems)
    problems.push({
      code: 'KUBELET_CERTIFICATE_UNUSABLE',
      message: state.reason,
      file: facts.kubeletCertificate.certificate,
      hint: `On node ${parts.node}: openssl x509 -noout -dates -in ${facts.kubeletCertificate.certificate}`,
      fatal: false,
    })
  }
  if (!settings.issueCertificates) return identityOf('none', undefined, undefined, problems)
  let current = await issued.current()
  if (current === undefined || (await issued.isDue(current.certificate, bundle))) {
    try {
      await issued.renew()
      current = await issued.current()
    } catch (error) {
      problems.push({
        code: 'CERTIFICATE_NOT_ISSUED',
        message: `the registry gave this node no certificate: ${(error as Error).message}`,
        hint: `kubectl -n ${settings.registry.namespace} logs statefulset/trow tells why; it is asked again by itself.`,
        fatal: current === undefined,
      })
    }
  }
  if (current === undefined) return identityOf('none', undefined, undefined, problems)
  return identityOf('issued', current.pair, current.certificate, problems)
}

function identityOf(
  kind: PullIdentity['kind'],
  pair: KeyPairFile | undefined,
  certificate: X509Certificate | undefined,
  problems: readonly NodeProblem[],
): PullIdentity {
  return { kind, pair, notAfter: certificate?.validToDate.toISOString(), problems }
}
