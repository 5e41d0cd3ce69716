import { isDigest, type Digest } from '../oci/digest.ts'

/** What a node says that it runs (`imageID` of a container's status). */
export interface RunningDigest {
  /** Of an index, a manifest or a config: the runtime does not say which, unless `isConfig`. */
  readonly digest: Digest
  /** Whether it can only be a config's: the runtime named the image by its id. */
  readonly isConfig: boolean
}

/** Longer texts are nobody's image id: a name has 512 characters at most, and the form's word some more. */
const longest = 1024

/**
 * Reads the forms `registry/repo@sha256:…`, `docker-pullable://registry/repo@sha256:…`, `docker://sha256:…`, `sha256:…` and the bare
 * hexadecimal digits that CRI-O writes. Undefined: there is no digest in it, as before the image is there. Takes any value and never
 * throws; the time is linear in the text.
 */
export function parseImageId(text: unknown): RunningDigest | undefined {
  if (typeof text !== 'string' || text === '' || text.length > longest) return undefined
  const start = text.indexOf('://')
  const rest = start < 0 ? text : text.slice(start + 3)
  const at = rest.lastIndexOf('@')
  if (at >= 0) return digestOf(rest.slice(at + 1), false)
  return digestOf(/^[0-9a-f]{64}$/.test(rest) ? `sha256:${rest}` : rest, true)
}

function digestOf(text: string, isConfig: boolean): RunningDigest | undefined {
  return isDigest(text) ? { digest: text, isConfig } : undefined
}
