import type { Digest } from '../oci/digest.ts'
import type { ManifestLink } from '../oci/manifest.ts'

/** Thrown for an image that consists of more than can be checked. */
export class TooMuch extends Error {}

/** Digests of one image or index. */
export const mostDigests = 100_000

/** Collects what an image consists of, each digest once. */
export class ImageParts {
  readonly #digests = new Set<Digest>()
  /** Bytes. Content that is not required is never pushed, so its size does not count. */
  size = 0

  /** Returns whether the digest is new. Throws TooMuch. */
  add({ digest, size, required }: ManifestLink): boolean {
    if (this.#digests.has(digest)) return false
    this.contain(digest)
    if (required) this.size += size
    return true
  }

  /** Throws TooMuch. */
  contain(digest: Digest): void {
    this.#digests.add(digest)
    if (this.#digests.size > mostDigests) throw new TooMuch()
  }

  digests(): readonly Digest[] {
    return [...this.#digests]
  }
}
