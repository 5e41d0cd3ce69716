import { startHasher } from '../blobs/hasher.ts'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { InventoryBlob, InventoryManifest } from '../metadata/inventory-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { digestAlgorithm } from '../oci/digest.ts'
import { findOrphans } from './orphans.ts'

export interface FsckParts {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly clocks: { wall(): number }
}

export interface FsckOptions {
  /** Heal what can be healed: lost and corrupt content goes, so that pushing it again brings it back; orphans go. */
  readonly repair: boolean
  /** Bytes a second to read; 0: as fast as it goes. */
  readonly rate: number
  readonly signal?: AbortSignal
}

export type FsckProblem =
  'blob-missing' | 'blob-size' | 'blob-corrupt' | 'manifest-corrupt' | 'reference-missing' | 'orphan'

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

const blobPage = 100
const manifestPage = 50

/**
 * Proves every blob and manifest against its digest and every reference against what is there, while requests go
 * on: what was deleted meanwhile is no fault. Ends with a summary.
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

class StorageCheck {
  readonly done = { blobs: 0, bytes: 0, manifests: 0 }
  readonly #parts: FsckParts
  readonly #options: FsckOptions
  readonly #started = performance.now()

  constructor(parts: FsckParts, options: FsckOptions) {
    this.#parts = parts
    this.#options = options
  }

  async *run(): AsyncGenerator<FsckEvent> {
    yield* this.#checkBlobs()
    yield* this.#checkManifests()
    for await (const { key, size } of findOrphans(this.#parts)) {
      if (this.#options.repair) await this.#parts.blobs.remove(key)
      yield this.#problem('orphan', key, [], `${size} bytes that nothing refers to`, this.#options.repair)
    }
  }

  async *#checkBlobs(): AsyncGenerator<FsckEvent> {
    const { inventory } = this.#parts.metadata
    const totals = await inventory.totals()
    for (let after: string | undefined; ;) {
      const page = await inventory.blobs(
        after === undefined ? { limit: blobPage } : { limit: blobPage, after },
      )
      for (const blob of page.items) {
        this.#options.signal?.throwIfAborted()
        const fault = await this.#fault(blob)
        // Asked again: a collection may have taken it between the look-up and the opening.
        if (fault !== undefined && (await inventory.hasContent(blob.digest, blob.content))) {
          const repaired =
            this.#options.repair && (await inventory.dropBlob(blob.digest, blob.content, this.#now()))
          yield this.#problem(fault.problem, blob.digest, blob.repositories, fault.detail, repaired)
        }
        this.done.blobs++
        this.done.bytes += blob.size
      }
      yield {
        kind: 'progress',
        blobs: this.done.blobs,
        totalBlobs: totals.blobs,
        bytes: this.done.bytes,
        totalBytes: totals.bytes,
      }
      if (page.next === undefined) return
      after = page.next
    }
  }

  async #fault(blob: InventoryBlob): Promise<{ problem: FsckProblem; detail: string } | undefined> {
    const hasher = startHasher(digestAlgorithm(blob.digest))
    if (blob.content.kind === 'inline') hasher.update(blob.content.bytes)
    else {
      const reader = await this.#parts.blobs.open(blob.content.key)
      if (reader === undefined) return { problem: 'blob-missing', detail: 'its bytes are not in the store' }
      try {
        if (reader.size !== blob.size) {
          return { problem: 'blob-size', detail: `${reader.size} bytes instead of ${blob.size}` }
        }
        let read = 0
        for await (const chunk of reader.stream()) {
          this.#options.signal?.throwIfAborted()
          hasher.update(chunk)
          read += chunk.byteLength
          await this.#throttle(read)
        }
      } finally {
        reader.close()
      }
    }
    const found = hasher.digest()
    return found === blob.digest
      ? undefined
      : { problem: 'blob-corrupt', detail: `its bytes have the digest ${found}` }
  }

  async *#checkManifests(): AsyncGenerator<FsckEvent> {
    const { inventory } = this.#parts.metadata
    for (let after: string | undefined; ;) {
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
