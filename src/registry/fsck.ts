import { counted } from '../counted.ts'
import { startHasher } from '../blobs/hasher.ts'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { InventoryBlob, InventoryManifest } from '../metadata/inventory-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { digestAlgorithm, type Digest } from '../oci/digest.ts'
import { findOrphans, type OrphanParts } from './orphans.ts'

export interface FsckParts {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly clocks: { wall(): number }
  readonly policy: OrphanParts['policy']
}

export interface FsckOptions {
  /**
   * Repair what can be repaired: lost and corrupt content is dropped, so that a new push restores it; orphans
   * are removed.
   */
  readonly repair: boolean
  /** Bytes to read a second; 0: no limit. */
  readonly rate: number
  readonly signal?: AbortSignal
}

export type FsckProblem =
  | 'blob-missing'
  | 'blob-size'
  | 'blob-corrupt'
  | 'twin-wrong'
  | 'manifest-corrupt'
  | 'reference-missing'
  | 'orphan'

export type FsckEvent =
  | {
      readonly kind: 'problem'
      readonly problem: FsckProblem
      /** Digest, or data key of an orphan. */
      readonly subject: string
      readonly repositories: readonly string[]
      readonly detail: string
      readonly repaired: boolean
    }
  | {
      readonly kind: 'progress'
      readonly blobs: number
      readonly totalBlobs: number
      readonly bytes: number
      readonly totalBytes: number
    }
  | {
      readonly kind: 'summary'
      readonly blobs: number
      readonly bytes: number
      readonly manifests: number
      readonly problems: number
      readonly repaired: number
    }

/** Milliseconds between two events of progress. */
const progressInterval = 500
const blobPage = 100
const manifestPage = 50

/**
 * Verifies every blob and manifest against its digest, and that everything they refer to exists, while
 * requests are served: content that was deleted meanwhile is not a problem. Ends with a summary.
 */
export async function* checkStorage(parts: FsckParts, options: FsckOptions): AsyncGenerator<FsckEvent> {
  const check = new StorageCheck(parts, options)
  let problems = 0
  let repaired = 0
  for await (const event of check.run()) {
    if (event.kind === 'problem') {
      problems++
      if (event.repaired) repaired++
    }
    yield event
  }
  yield { kind: 'summary', ...check.done, problems, repaired }
}

interface BlobFault {
  readonly problem: FsckProblem
  readonly detail: string
  /** Of `twin-wrong`: the right one. */
  readonly twin?: Digest | undefined
}

class StorageCheck {
  readonly done = { blobs: 0, bytes: 0, manifests: 0 }
  readonly #parts: FsckParts
  readonly #options: FsckOptions
  readonly #started = performance.now()
  #toldAt = performance.now()
  #totals = { blobs: 0, bytes: 0 }

  constructor(parts: FsckParts, options: FsckOptions) {
    this.#parts = parts
    this.#options = options
  }

  async *run(): AsyncGenerator<FsckEvent> {
    yield* this.#checkBlobs()
    yield* this.#checkManifests()
    for await (const { key, size } of findOrphans(this.#parts)) {
      if (this.#options.repair) await this.#parts.blobs.remove(key)
      yield this.#problem(
        'orphan',
        key,
        [],
        `${counted(size, 'byte')} that nothing refers to`,
        this.#options.repair,
      )
    }
  }

  async *#checkBlobs(): AsyncGenerator<FsckEvent> {
    const { inventory } = this.#parts.metadata
    this.#totals = await inventory.totals()
    yield this.#progress(0)
    for (let after: string | undefined; ;) {
      this.#options.signal?.throwIfAborted()
      const page = await inventory.blobs(
        after === undefined ? { limit: blobPage } : { limit: blobPage, after },
      )
      for (const blob of page.items) {
        this.#options.signal?.throwIfAborted()
        const fault = yield* this.#fault(blob)
        // Checked again: a collection may have removed the blob between the look-up and the opening.
        if (fault !== undefined && (await inventory.hasContent(blob.digest, blob.content))) {
          const repaired = this.#options.repair && (await this.#repair(blob, fault))
          yield this.#problem(fault.problem, blob.digest, blob.repositories, fault.detail, repaired)
        }
        this.done.blobs++
        this.done.bytes += blob.size
      }
      yield this.#progress(0)
      if (page.next === undefined) return
      after = page.next
    }
  }

  #repair({ digest, content }: InventoryBlob, { twin }: BlobFault): Promise<boolean> {
    const { contents, inventory } = this.#parts.metadata
    return twin === undefined
      ? inventory.dropBlob(digest, content, this.#now())
      : contents.setTwin(digest, twin)
  }

  /** Yields progress alone. */
  async *#fault(blob: InventoryBlob): AsyncGenerator<FsckEvent, BlobFault | undefined> {
    const hasher = startHasher(digestAlgorithm(blob.digest))
    const twinHasher = blob.twin === undefined ? undefined : startHasher('sha256')
    const update = (bytes: Uint8Array): void => {
      hasher.update(bytes)
      twinHasher?.update(bytes)
    }
    if (blob.content.kind === 'inline') update(blob.content.bytes)
    else {
      const reader = await this.#parts.blobs.open(blob.content.key)
      if (reader === undefined) return { problem: 'blob-missing', detail: 'its bytes are not in the store' }
      try {
        if (reader.size !== blob.size) {
          return { problem: 'blob-size', detail: `${counted(reader.size, 'byte')} instead of ${blob.size}` }
        }
        let read = 0
        for await (const chunk of reader.stream()) {
          this.#options.signal?.throwIfAborted()
          update(chunk)
          read += chunk.byteLength
          await this.#throttle(read)
          if (performance.now() - this.#toldAt >= progressInterval) yield this.#progress(read)
        }
      } finally {
        reader.close()
      }
    }
    const found = hasher.digest()
    if (found !== blob.digest)
      return { problem: 'blob-corrupt', detail: `its bytes have the digest ${found}` }
    const twin = twinHasher?.digest()
    if (twin === blob.twin) return undefined
    const detail = `its bytes have the digest ${twin}, the registry has noted ${blob.twin}`
    return { problem: 'twin-wrong', detail, twin }
  }

  async *#checkManifests(): AsyncGenerator<FsckEvent> {
    const { inventory } = this.#parts.metadata
    for (let after: string | undefined; ;) {
      this.#options.signal?.throwIfAborted()
      const page = await inventory.manifests(
        after === undefined ? { limit: manifestPage } : { limit: manifestPage, after },
      )
      for (const manifest of page.items) {
        this.#options.signal?.throwIfAborted()
        yield* this.#checkManifest(manifest)
        this.done.manifests++
      }
      await this.#throttle(0)
      if (page.next === undefined) return
      after = page.next
    }
  }

  async *#checkManifest(manifest: InventoryManifest): AsyncGenerator<FsckEvent> {
    const { repository, digest } = manifest
    const hasher = startHasher(digestAlgorithm(digest))
    hasher.update(manifest.body)
    const found = hasher.digest()
    if (found !== digest) {
      const repaired =
        this.#options.repair &&
        (await this.#parts.metadata.inventory.dropManifest(repository, digest, this.#now()))
      yield this.#problem(
        'manifest-corrupt',
        digest,
        [repository],
        `its bytes have the digest ${found}`,
        repaired,
      )
      return
    }
    for (const missing of manifest.missing) {
      const detail = `it needs ${missing}, which is not in the repository: push it again`
      yield this.#problem('reference-missing', digest, [repository], detail, false)
    }
  }

  /** `current`: bytes of the blob that is read now. */
  #progress(current: number): FsckEvent {
    this.#toldAt = performance.now()
    const { blobs, bytes } = this.done
    const { blobs: totalBlobs, bytes: totalBytes } = this.#totals
    return { kind: 'progress', blobs, totalBlobs, bytes: bytes + current, totalBytes }
  }

  #now(): number {
    return this.#parts.clocks.wall()
  }

  #problem(
    problem: FsckProblem,
    subject: string,
    repositories: readonly string[],
    detail: string,
    repaired: boolean,
  ): FsckEvent {
    return { kind: 'problem', problem, subject, repositories, detail, repaired }
  }

  /** Waits until the bytes read so far are due. */
  async #throttle(current: number): Promise<void> {
    const { rate } = this.#options
    const due = rate === 0 ? 0 : ((this.done.bytes + current) / rate) * 1000
    const wait = due - (performance.now() - this.#started)
    await new Promise((resolve) => (wait > 1 ? setTimeout(resolve, wait) : setImmediate(resolve)))
  }
}
