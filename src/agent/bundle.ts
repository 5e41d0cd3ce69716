import { X509Certificate } from 'node:crypto'

const block = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** The certificates of a PEM bundle; throws where one does not parse. */
export function certificatesIn(bundle: string): readonly X509Certificate[] {
  return (bundle.match(block) ?? []).map((pem) => new X509Certificate(pem))
}
