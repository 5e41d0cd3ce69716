/** The certificates of a PEM text (RFC 7468), each a text of its own, in their order; what stands between them is passed over. */
export function certificatesInPem(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
}
