import type { BlobReader } from '../blobs/blob-store.ts'
import type { BlobLink, BlobRecord, ManifestRecord, ReadState } from '../metadata/records.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { judgedChange } from './judged-change.ts'
import { judgedManifest } from './judged-manifest.ts'
import { isRemoved } from './store-refusals.ts'
import type { Blobs, BlobStat, OpenBlob } from './registry.ts'
import type { Requester } from './requester.ts'
import type { RegistryParts } from './settings.ts'

/** Milliseconds: a link that was renewed so recently need not be written again. */
const longestUnrenewed = 5 * 60_000

const octets = 'application/octet-stream'

export class BlobRules implements Blobs {
  readonly #parts: RegistryParts

  constructor(parts: RegistryParts) {
    this.#parts = parts
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
      if (await this.#stays(repository, blob))
        return marked(blob, { digest, size: blob.size, mediaType: octets })
    }
    const manifest = await judgedManifest(this.#parts, requester, repository, digest)
    return manifest && marked(manifest, { digest, size: manifest.size, mediaType: manifest.mediaType })
  }

  async open(
    requester: Requester,
    repository: RepositoryName,
    digest: Digest,
  ): Promise<OpenBlob | undefined> {
    const { metadata, blobs, guard, log } = this.#parts
    // A collection and a new push may change the key between the look-up and the opening: look again.
    for (let attempt = 0; attempt < 2; attempt++) {
      const blob = await metadata.findBlob(repository, digest)
      if (blob === undefined) {
        const manifest = await judgedManifest(this.#parts, requester, repository, digest)
        return manifest && marked(manifest, openManifest(manifest))
      }
      const judged = guard?.pullBlob(requester, repository, digest)
      if (judged !== undefined) await judged
      if (blob.content.kind === 'inline') return marked(blob, inMemory(digest, blob.content.bytes, octets))
      if (blobs.redirect !== undefined)
        return marked(blob, elsewhere(blob, await blobs.redirect(blob.content.key)))
      const reader = await blobs.open(blob.content.key)
      if (reader?.size === blob.size) return marked(blob, inStore(blob, reader))
      reader?.close()
    }
    log.error('the bytes of a blob are missing or cut: run trow fsck', { repository, digest })
    return undefined
  }

  async remove(requester: Requester, repository: RepositoryName, digest: Digest): Promise<boolean> {
    const { metadata, now } = this.#parts
    const auditRecord = requester.auditRecord({ action: 'delete', repository, reference: digest })
    const result = await metadata.unlinkBlob({ repository, digest, now: now(), auditRecord })
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
    const auditRecord = requester.auditRecord(change)
    if (guard === undefined) return metadata.mountBlob({ digest, to, from, now: now(), auditRecord })
    return judgedChange(
      guard,
      () => guard.mountBlob({ requester, to, digest, from }),
      (stamp) =>
        metadata.mountBlob({
          digest,
          to,
          from: stamp.from,
          now: now(),
          auditRecord: stamp.isRecorded ? requester.auditRecord(change) : auditRecord,
          policyGeneration: stamp.registryGeneration,
        }),
    )
  }

  /**
   * A client that learns that a blob exists does not push it, and may push its manifest much later. The grace
   * period of an unreferenced blob therefore begins anew before the reply.
   */
  async #stays(repository: RepositoryName, blob: BlobLink): Promise<boolean> {
    const { metadata, now } = this.#parts
    const instant = now()
    const renewAfter = Math.min(this.#parts.limits.grace / 10, longestUnrenewed)
    if (blob.unreferencedSince === undefined || instant - blob.unreferencedSince < renewAfter) return true
    return metadata.touchBlob({ repository, digest: blob.digest, now: instant })
  }
}

/** What is told of a record is as stale as the record. */
function marked<Told extends BlobStat>({ isStale }: ReadState, told: Told): Told {
  return isStale === true ? { ...told, isStale } : told
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

function elsewhere({ digest, size }: BlobRecord, location: string): OpenBlob {
  return {
    digest,
    size,
    mediaType: octets,
    bytes: undefined,
    location,
    stream() {
      throw new Error('the content is to be fetched from elsewhere')
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
