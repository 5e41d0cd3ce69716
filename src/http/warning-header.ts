/**
 * A value of the header `Warning` (distribution specification, "Warnings"; RFC 7234, 5.5): code 299, no
 * agent. Its text is UTF-8, as clients show it, in a string whose characters are bytes, as Node sends it.
 */
export function warningHeader(text: string): string {
  const plain = text.replaceAll(/\p{Cc}/gu, ' ').replaceAll(/["\\]/g, String.raw`\$&`)
  return `299 - "${Buffer.from(plain, 'utf8').toString('latin1')}"`
}
