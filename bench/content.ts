import { createHash, randomBytes, type Hash } from 'node:crypto'

export interface Content {
  /** What goes out, in order. */
  readonly parts: readonly Buffer[]
  readonly digest: string
  readonly size: number
}

const tailSize = 32

/**
 * Makes blobs of one size that all differ, at the cost of hashing 32 bytes each: they share all but their end,
 * and the state of the hash after the shared part is kept.
 */
export class ContentMaker {
  readonly #size: number
  readonly #shared: Buffer
  readonly #hash: Hash

  constructor(size: number) {
    this.#size = size
    this.#shared = randomBytes(size - tailSize)
    this.#hash = createHash('sha256').update(this.#shared)
  }

  next(): Content {
    const tail = randomBytes(tailSize)
    const digest = `sha256:${this.#hash.copy().update(tail).digest('hex')}`
    return { parts: [this.#shared, tail], digest, size: this.#size }
  }
}

export const manifestType = 'application/vnd.oci.image.manifest.v1+json'

/** An image manifest as builders write it, about 600 bytes. `mark` makes it unlike all others; `base`: layers below its own. */
export function makeManifest(
  config: Pick<Content, 'digest' | 'size'>,
  layer: Pick<Content, 'digest' | 'size'>,
  mark: string,
  base: readonly Pick<Content, 'digest' | 'size'>[] = [],
): Content {
  const body = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: config.digest,
        size: config.size,
      },
      layers: [...base, layer].map(({ digest, size }) => ({
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        digest,
        size,
      })),
      annotations: { 'org.opencontainers.image.revision': mark },
    }),
  )
  return { parts: [body], digest: digestOf(body), size: body.length }
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
