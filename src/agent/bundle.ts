import { X509Certificate } from 'node:crypto'
import { certificatesInPem } from '../pem-bundle.ts'

/** The certificates of a PEM bundle; throws where one does not parse. */
export function certificatesIn(bundle: string): readonly X509Certificate[] {
  return certificatesInPem(bundle).map((pem) => new X509Certificate(pem))
}
