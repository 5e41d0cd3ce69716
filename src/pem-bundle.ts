import { X509Certificate } from 'node:crypto'

/** The certificates of a PEM text (RFC 7468), each a text of its own, in their order; what stands between them is passed over. */
export function certificatesInPem(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
}

/** The same, parsed; throws where one does not parse. */
export function readCertificates(text: string): X509Certificate[] {
  return certificatesInPem(text).map((pem) => new X509Certificate(pem))
}

/**
 * PEM of the certificates of a text, written anew from what was parsed: whatever stood between, before or after them is left
 * out, so that a file of root's never holds a line that somebody else has chosen. Empty where there is none; throws where one
 * does not parse.
 */
export function onlyCertificates(text: string): string {
  return readCertificates(text)
    .map((certificate) => certificate.toString())
    .join('')
}
