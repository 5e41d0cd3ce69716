import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { certificatesInPem } from '../pem-bundle.ts'
import { UserError } from '../user-error.ts'
import { permits, readConstraints } from './constrained-names.ts'

/**
 * Checks a bundle before a user trusts it: every certificate is a CA, and at least one is valid now and
 * permitted (RFC 5280, 4.2.1.10) to sign for the host, a name or an address without port. `now` is in
 * milliseconds since the epoch. Throws UserError CA_INVALID, CA_EXPIRED, CA_OTHER_HOSTS.
 */
export function checkAuthority(pem: string, host: string, now: number): void {
  const blocks = certificatesInPem(pem)
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) throw invalid('it holds a private key')
  if (blocks.length === 0) throw invalid('it is no certificate in PEM')
  const certificates = blocks.map(parse)
  const other = certificates.find(({ ca }) => !ca)
  if (other !== undefined) {
    throw invalid(`"${oneLine(other.subject)}" is no CA: a server's own certificate changes, its CA stays`)
  }
  const current = certificates.filter(
    ({ validFromDate, validToDate }) => validFromDate.getTime() <= now && now < validToDate.getTime(),
  )
  if (current.length === 0) {
    const [first] = certificates
    throw new UserError('CA_EXPIRED', `the CA holds from ${first?.validFrom} to ${first?.validTo}, not now`, {
      hint: 'Take the one that the registry uses now, and look at the clock of this machine.',
    })
  }
  if (current.some((certificate) => covers(certificate, host))) return
  throw new UserError(
    'CA_OTHER_HOSTS',
    `the CA may not speak for ${host}: its name constraints leave it out`,
    {
      hint:
        isIP(host) === 0
          ? 'The CA of trow serve covers the names of --tls-san at its first start, localhost, host.docker.internal.'
          : 'The CA of trow serve covers private addresses, and those of --tls-san at its first start.',
    },
  )
}

/** A CA with unreadable constraints counts as permitted for no host. */
function covers(certificate: X509Certificate, host: string): boolean {
  try {
    const constraints = readConstraints(certificate.raw)
    return constraints === undefined || permits(constraints, host)
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

function parse(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw invalid('a certificate in it cannot be read', cause)
  }
}

function oneLine(subject: string): string {
  return subject.replaceAll('\n', ', ')
}

function invalid(reason: string, cause?: unknown): UserError {
  return new UserError('CA_INVALID', `this is nothing to trust: ${reason}`, {
    hint: "Give the registry's CA certificate, ca.crt, in PEM.",
    cause,
  })
}
