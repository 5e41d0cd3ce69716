import type { Digest } from './digest.ts'
import { isTag, type Tag } from './tag.ts'

/**
 * The tag under which clients without the referrers API list a subject's referrers: algorithm and encoded
 * part, cut to 32 and 64 characters, joined by a dash. Distribution-spec, "Referrers Tag Schema".
 */
export function referrersTag(subject: Digest): Tag {
  const [algorithm = '', encoded = ''] = subject.split(':')
  const tag = `${algorithm.slice(0, 32)}-${encoded.slice(0, 64)}`.replaceAll(/[^a-zA-Z0-9._-]/g, '-')
  if (!isTag(tag)) throw new TypeError(`no tag: ${tag}`)
  return tag
}
