import { createHash } from 'node:crypto'
import { OciError } from './oci-error.ts'

declare const brand: unique symbol

/** `sha256:<64 hex>` or `sha512:<128 hex>`, checked. Image-spec, "Digests". */
export type Digest = string & { readonly [brand]: 'Digest' }

export type DigestAlgorithm = 'sha256' | 'sha512'

const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

export function isDigest(text: string): text is Digest {
  return digestPattern.test(text)
}

/** Throws OciError DIGEST_INVALID. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  throw new OciError('DIGEST_INVALID', 'the digest is not valid', {
    detail: `"${text.slice(0, 200)}" is not sha256: followed by 64 or sha512: followed by 128 lowercase hexadecimal digits`,
  })
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256'
}

/** From the lowercase hexadecimal output of a hash. Throws OciError DIGEST_INVALID. */
export function makeDigest(algorithm: DigestAlgorithm, hex: string): Digest {
  return parseDigest(`${algorithm}:${hex}`)
}

/** The digest of content in memory. */
export function digestOfBytes(algorithm: DigestAlgorithm, bytes: Uint8Array): Digest {
  return makeDigest(algorithm, createHash(algorithm).update(bytes).digest('hex'))
}

/** Throws OciError DIGEST_INVALID for an algorithm that is neither sha256 nor sha512. */
export function parseDigestAlgorithm(text: string): DigestAlgorithm {
  if (text === 'sha256' || text === 'sha512') return text
  throw new OciError('DIGEST_INVALID', 'the digest algorithm is not supported', {
    detail: `"${text.slice(0, 200)}": this registry takes sha256 and sha512`,
  })
}
