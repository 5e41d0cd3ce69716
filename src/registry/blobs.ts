import type { BlobReader } from '../blobs/blob-store.ts'
import type { BlobLink, BlobRecord, ManifestRecord } from '../metadata/records.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { judgedChange } from './judged-change.ts'
import { judgedManifest } from './judged-manifest.ts'
import { isRemoved } from './removal.ts'
import type { Blobs, BlobStat, OpenBlob } from './registry.ts'
import type { Requester } from './requester.ts'
import type { RegistryParts } from './settings.ts'

const octets = 'application/octet-stream'

export class BlobRules implements Blobs {
  readonly #parts: RegistryParts
  readonly #renewAfter: number

  constructor(parts: RegistryParts) {
    this.#parts = parts
    this.#renewAfter = Math.min(parts.limits.grace / 10, 5 * 60_000)
  }

  async stat(
    requester: Requester,
    repository: RepositoryName,
    digest: Digest,
  ): Promise<BlobStat | undefined> {
    const { metadata, guard } = this.#parts
    const blob = await metadata.findLink(repository, digest)
    if (blob !== undefined) {
      const judged = guard?.pullBlob(requester, repository, digest)
      if (judged !== undefined) await judged
      if (await this.#stays(repository, blob)) return { digest, size: blob.size, mediaType: octets }
    }
    const manifest = await judgedManifest(this.#parts, requester, repository, digest)
    return manifest && { digest, size: manifest.size, mediaType: manifest.mediaType }
  }

  async open(
    requester: Requester,
    repository: RepositoryName,
    digest: Digest,
  ): Promise<OpenBlob | undefined> {
    const { metadata, blobs, guard, log } = this.#parts
    // Between the look-up and the opening, a collection and a fresh push may have changed the key: look again.
    for (let attempt = 0; attempt < 2; attempt++) {
      const blob = await metadata.findBlob(repository, digest)
      if (blob === undefined) {
        const manifest = await judgedManifest(this.#parts, requester, repository, digest)
        return manifest && openManifest(manifest)
      }
      const judged = guard?.pullBlob(requester, repository, digest)
      if (judged !== undefined) await judged
      if (blob.content.kind === 'inline') return inMemory(digest, blob.content.bytes, octets)
      const reader = await blobs.open(blob.content.key)
      if (reader?.size === blob.size) return inStore(blob, reader)
      reader?.close()
    }
    log.error('the bytes of a blob are missing or cut: run trow fsck', { repository, digest })
    return undefined
  }

  async remove(requester: Requester, repository: RepositoryName, digest: Digest): Promise<boolean> {
    const { metadata, now } = this.#parts
    const note = requester.note({ action: 'delete', repository, reference: digest })
    const result = await metadata.unlinkBlob({ repository, digest, now: now(), note })
    return isRemoved(result)
  }

  holders(digest: Digest, limit: number): Promise<readonly RepositoryName[]> {
    return this.#parts.metadata.listBlobRepositories(digest, limit)
  }

  mount(
    requester: Requester,
    to: RepositoryName,
    digest: Digest,
    from: readonly RepositoryName[],
  ): Promise<boolean> {
    const { metadata, guard, now } = this.#parts
    const change = { action: 'mount', repository: to, reference: digest } as const
    const note = requester.note(change)
    if (guard === undefined) return metadata.mountBlob({ digest, to, from, now: now(), note })
    return judgedChange(
      guard,
      () => guard.mountBlob({ requester, to, digest, from }),
      (stamp) =>
        metadata.mountBlob({
          digest,
          to,
          from: stamp.from,
          now: now(),
          note: stamp.isNoted ? requester.note(change) : note,
          policyGeneration: stamp.generation,
        }),
    )
  }

  /**
   * A client that hears "exists" will not push the blob, and may push its manifest much later: while nothing
   * refers to the blob, its grace period begins anew before the answer.
   */
  async #stays(repository: RepositoryName, blob: BlobLink): Promise<boolean> {
    const { metadata, now } = this.#parts
    const instant = now()
    if (blob.unreferencedSince === undefined || instant - blob.unreferencedSince < this.#renewAfter)
      return true
    return metadata.touchBlob({ repository, digest: blob.digest, now: instant })
  }
}

/** Clients fetch manifests by digest as blobs too (containerd's fallback). */
function openManifest({ digest, body, mediaType }: ManifestRecord): OpenBlob {
  return inMemory(digest, body, mediaType)
}

function inMemory(digest: Digest, bytes: Uint8Array, mediaType: string): OpenBlob {
  return {
    digest,
    size: bytes.byteLength,
    mediaType,
    bytes,
    async *stream(range) {
      yield range === undefined ? bytes : bytes.subarray(range.start, range.end + 1)
    },
    close() {},
  }
}

function inStore({ digest, size }: BlobRecord, reader: BlobReader): OpenBlob {
  return {
    digest,
    size,
    mediaType: octets,
    bytes: undefined,
    stream: (range) => reader.stream(range),
    close: () => reader.close(),
  }
}
