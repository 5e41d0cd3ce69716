import { X509Certificate } from 'node:crypto'
import { Gauge, type Registry } from 'prom-client'

/** Certificates as PEM, leaf first, by what they are: `default`, `named`, `ca`. */
export type ServedCertificates = Readonly<Record<string, string | undefined>>

export function certificateMetrics(certificates: ServedCertificates, registry: Registry): void {
  const expiry = new Gauge({
    name: 'trow_certificate_expiry_timestamp_seconds',
    help: 'When a certificate of this server expires, since 1970',
    labelNames: ['certificate'],
    registers: [registry],
  })
  for (const [certificate, pem] of Object.entries(certificates)) {
    if (pem !== undefined) expiry.set({ certificate }, Date.parse(new X509Certificate(pem).validTo) / 1000)
  }
}
