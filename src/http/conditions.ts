/** Whether If-None-Match names the entity (RFC 9110, 13.1.2): the reply is 304 then. */
export function matchesEntity(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  if (header.trim() === '*') return true
  return header.split(',').some((each) => each.trim().replace(/^W\//, '') === etag)
}

/**
 * Whether Range applies (RFC 9110, 13.1.5): without If-Range, or if it names this entity. A date never
 * matches.
 */
export function rangeApplies(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange.trim() === etag
}

export function entityTag(digest: string): string {
  return `"${digest}"`
}
