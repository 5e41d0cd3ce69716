import { X509Certificate } from 'node:crypto'

/**
 * Returns the certificates of a PEM text (RFC 7468) in their order, each as its own text. Other text is
 * skipped.
 */
export function certificatesInPem(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
}

/** Returns the same, parsed. Throws if one does not parse. */
export function readCertificates(text: string): X509Certificate[] {
  return certificatesInPem(text).map((pem) => new X509Certificate(pem))
}

/**
 * Returns PEM of a text's certificates, written anew from the parsed certificates. All other text is left
 * out, so that a file of root never contains a line that someone else chose. Empty if there is no
 * certificate; throws if one does not parse.
 */
export function onlyCertificates(text: string): string {
  return readCertificates(text)
    .map((certificate) => certificate.toString())
    .join('')
}
