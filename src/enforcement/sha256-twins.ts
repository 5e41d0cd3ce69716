import { startHasher } from '../blobs/hasher.ts'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { digestAlgorithm, digestOfBytes, type Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { RecentCache } from '../recent-cache.ts'

/** Entries in the cache; at most twice as many. */
const remembered = 2048

type TwinSource = Pick<MetadataStore, 'findBlob' | 'contents'>

/**
 * Finds the sha256 digest of content stored under another algorithm: policies name content by sha256 only.
 */
export class Sha256Twins {
  readonly #metadata: TwinSource
  readonly #blobs: Pick<BlobStore, 'open'>
  readonly #known = new RecentCache<Digest, Digest>(remembered)
  readonly #running = new Map<string, Promise<Digest | undefined>>()

  constructor(metadata: TwinSource, blobs: Pick<BlobStore, 'open'>) {
    this.#metadata = metadata
    this.#blobs = blobs
  }

  /**
   * Undefined where none of the repositories has the blob. Reads all bytes of the blob if they were never
   * hashed.
   */
  ofBlob(
    repositories: readonly RepositoryName[],
    digest: Digest,
  ): Digest | undefined | Promise<Digest | undefined> {
    if (digestAlgorithm(digest) === 'sha256') return digest
    const known = this.#known.get(digest)
    if (known !== undefined) return known
    const key = [digest, ...repositories].join(' ')
    const running = this.#running.get(key)
    if (running !== undefined) return running
    const hashed = this.#find(repositories, digest).finally(() => this.#running.delete(key))
    this.#running.set(key, hashed)
    return hashed
  }

  async #find(repositories: readonly RepositoryName[], digest: Digest): Promise<Digest | undefined> {
    const kept = await this.#metadata.contents.twinOf(digest)
    if (kept !== undefined) {
      this.#known.set(digest, kept)
      return kept
    }
    for (const repository of repositories) {
      const found = await this.#hashIn(repository, digest)
      if (found === undefined) continue
      // If it cannot be stored, for example for lack of room, it is computed again later.
      await this.#metadata.contents.setTwin(digest, found).catch(() => false)
      this.#known.set(digest, found)
      return found
    }
    return undefined
  }

  async #hashIn(repository: RepositoryName, digest: Digest): Promise<Digest | undefined> {
    const blob = await this.#metadata.findBlob(repository, digest)
    if (blob === undefined) return undefined
    if (blob.content.kind === 'inline') return digestOfBytes('sha256', blob.content.bytes)
    const reader = await this.#blobs.open(blob.content.key)
    if (reader === undefined) return undefined
    try {
      const hasher = startHasher('sha256')
      for await (const chunk of reader.stream()) hasher.update(chunk)
      return hasher.digest()
    } finally {
      reader.close()
    }
  }
}
