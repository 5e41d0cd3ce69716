import type { Digest } from '../../oci/digest.ts'

/** A manifest or a blob, and what stays as long as it does. */
export interface Content {
  /** Bytes of itself. */
  readonly size: number
  /** Its config, layers and children, and the manifests that refer to it. */
  readonly keeps: readonly Digest[]
}

/** What a deletion costs and frees, computed from what keeps what. */
export class ContentGraph {
  readonly #content = new Map<Digest, Content>()

  has(digest: Digest): boolean {
    return this.#content.has(digest)
  }

  add(digest: Digest, content: Content): void {
    this.#content.set(digest, content)
  }

  /** Returns the roots and everything that they keep; `without` and what only it keeps are left out. */
  reached(roots: Iterable<Digest>, without?: Digest): Set<Digest> {
    const found = new Set<Digest>()
    const open = [...roots]
    for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
      const content = this.#content.get(digest)
      if (content === undefined || digest === without || found.has(digest)) continue
      found.add(digest)
      open.push(...content.keeps)
    }
    return found
  }

  /** Each content counts once. */
  bytes(digests: Iterable<Digest>): number {
    let sum = 0
    for (const digest of digests) sum += this.#content.get(digest)?.size ?? 0
    return sum
  }

  /** Returns for each root what no other root keeps. */
  ownOf(roots: readonly Digest[]): ReadonlyMap<Digest, ReadonlySet<Digest>> {
    const owner = new Map<Digest, Digest | 'several'>()
    const all = new Set(roots)
    for (const root of all) {
      for (const digest of this.reached([root])) owner.set(digest, owner.has(digest) ? 'several' : root)
    }
    const own = new Map([...all].map((root) => [root, new Set<Digest>()] as const))
    for (const [digest, root] of owner) if (root !== 'several') own.get(root)?.add(digest)
    return own
  }
}
