import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { CertificateAuthority, Leaf } from '../../certificates/certificate-authority.ts'

/** The Secret with the webhook's certificate and its CA. */
export interface WebhookCertificates {
  readonly authority: CertificateAuthority
  readonly leaf: Leaf
  /** The CA that comes: clients trust it before it signs. */
  readonly next: CertificateAuthority | undefined
  /** PEM of the CA that was: clients trust it until no pod shows a certificate of its any more. */
  readonly previous: string | undefined
}

export interface CertificateMakers {
  authority(host: string): Promise<CertificateAuthority>
  leaf(authority: CertificateAuthority, host: string): Promise<Leaf>
}

export interface CertificateView {
  /** Of the webhook's Service: `trow-admission.trow.svc`. */
  readonly host: string
  /** Milliseconds since 1970. */
  readonly now: number
  /** The API servers have trusted all that is in the bundle for long enough. */
  readonly isTrusted: boolean
}

/** Of a certificate's life, how much must be left. */
const leastLeft = 1 / 3

/** What clients must trust, PEM. */
export function bundleOfCertificates({ authority, next, previous }: WebhookCertificates): string {
  return [authority.cert, next?.cert ?? '', previous ?? '']
    .map((pem) => (pem === '' ? '' : ended(pem)))
    .join('')
}

/**
 * One step towards certificates that are valid for long enough; the same object where there is nothing to do. A CA is replaced in
 * three: made and trusted, then signing, then the old one forgotten. No step leaves a pod with a certificate that an API server
 * does not trust.
 */
export async function nextCertificates(
  current: WebhookCertificates | undefined,
  view: CertificateView,
  make: CertificateMakers,
): Promise<WebhookCertificates> {
  const { host, now } = view
  if (current === undefined) {
    const authority = await make.authority(host)
    return { authority, leaf: await make.leaf(authority, host), next: undefined, previous: undefined }
  }
  const { authority, leaf, next, previous } = current
  if (next === undefined && !lasts(authority.cert, now))
    return { ...current, next: await make.authority(host) }
  if (next !== undefined && view.isTrusted)
    return { authority: next, leaf: await make.leaf(next, host), next: undefined, previous: authority.cert }
  if (previous !== undefined && view.isTrusted && next === undefined)
    return { ...current, previous: undefined }
  if (!lasts(leaf.cert, now)) return { ...current, leaf: await make.leaf(authority, host) }
  return current
}

/** Undefined: it holds no CA with its key, or no certificate of that CA for this host that has not run out. */
export function certificatesOf(
  text: (key: string) => string | undefined,
  { host, now }: Pick<CertificateView, 'host' | 'now'>,
): WebhookCertificates | undefined {
  const pair = (cert: string, key: string): CertificateAuthority | undefined => {
    const [certText, keyText] = [text(cert), text(key)]
    return certText === undefined || keyText === undefined ? undefined : { cert: certText, key: keyText }
  }
  const [authority, leaf, next] = [
    pair('ca.crt', 'ca.key'),
    pair('tls.crt', 'tls.key'),
    pair('next.crt', 'next.key'),
  ]
  const previous = text('previous.crt')
  try {
    if (authority === undefined || leaf === undefined) return undefined
    const [ca, own] = [certificateOf(authority), certificateOf(leaf)]
    const isIts = own.checkIssued(ca) && own.verify(ca.publicKey) && own.checkHost(host) !== undefined
    if (!ca.ca || !isIts || Date.parse(own.validTo) <= now || Date.parse(ca.validTo) <= now) return undefined
    const usable = next !== undefined && certificateOf(next).ca ? next : undefined
    return { authority, leaf, next: usable, previous: previous === undefined ? undefined : pem(previous) }
  } catch {
    return undefined
  }
}

/** What the Secret's `data` is to become; null: the key goes. */
export function dataOf({
  authority,
  leaf,
  next,
  previous,
}: WebhookCertificates): Record<string, string | null> {
  const encoded = (value: string | undefined): string | null =>
    value === undefined ? null : Buffer.from(value).toString('base64')
  return {
    'ca.crt': encoded(authority.cert),
    'ca.key': encoded(authority.key),
    'tls.crt': encoded(leaf.cert),
    'tls.key': encoded(leaf.key),
    'next.crt': encoded(next?.cert),
    'next.key': encoded(next?.key),
    'previous.crt': encoded(previous),
  }
}

/** Throws where the key is not the certificate's. */
function certificateOf({ cert, key }: CertificateAuthority | Leaf): X509Certificate {
  const certificate = new X509Certificate(cert)
  if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error('the key is another one')
  return certificate
}

function lasts(cert: string, now: number): boolean {
  const { validFrom, validTo } = new X509Certificate(cert)
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)]
  return to - now > (to - from) * leastLeft
}

/** Throws where it is no certificate. */
function pem(text: string): string {
  return new X509Certificate(text).toString()
}

function ended(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`
}
