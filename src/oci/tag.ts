import { parseDigest, type Digest } from './digest.ts'
import { OciError } from './oci-error.ts'

declare const brand: unique symbol

/** A tag, checked: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`. */
export type Tag = string & { readonly [brand]: 'Tag' }

/** The last segment of `/v2/<name>/manifests/<reference>`. */
export type Reference = Tag | Digest

export const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

export function isTag(text: string): text is Tag {
  return tagPattern.test(text)
}

/** Throws OciError TAG_INVALID. */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text
  throw new OciError('TAG_INVALID', 'the tag is not valid', {
    detail: `"${text.slice(0, 200)}": a tag is at most 128 letters, digits, _, . and -, and does not begin with . or -`,
  })
}

/** A text with a colon is a digest. Throws OciError DIGEST_INVALID or TAG_INVALID. */
export function parseReference(text: string): Reference {
  return text.includes(':') ? parseDigest(text) : parseTag(text)
}
