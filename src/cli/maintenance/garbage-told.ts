import type { GarbageEvent } from '../../registry/garbage.ts'
import { humanSize } from '../../settings/quantities.ts'
import { counted } from '../../counted.ts'
import type { Result } from '../result/print-result.ts'
import { contentsText } from './contents-text.ts'

export type GarbageItem = Result<'GarbageItem'>

/**
 * Counts what a collection says. What is removed has the names that `trow fsck` and `trow restore` have for it: a blob
 * that is condemned is there still, and counts apart.
 */
export class GarbageTold {
  kept: Result<'GarbageCollection'>['keptUntagged']
  readonly #isDryRun: boolean
  readonly #items: GarbageItem[] = []
  readonly #removed = { blobs: 0, bytes: 0, manifests: 0, uploads: 0, blobLinks: 0, repositories: 0 }
  readonly #condemned = { blobs: 0, bytes: 0 }
  readonly #lostBlobs: { readonly digest: string; readonly repositories: readonly string[] }[] = []
  #suspension: Extract<GarbageEvent, { kind: 'suspended' }> | undefined

  constructor(isDryRun: boolean) {
    this.#isDryRun = isDryRun
  }

  /** Returns the item of an event that has one. */
  note(event: GarbageEvent): GarbageItem | undefined {
    if (event.kind === 'suspended') this.#suspension = event
    if (event.kind === 'lost-blob') {
      const { digest, repositories } = event
      this.#lostBlobs.push({ digest, repositories })
    }
    if (event.kind === 'kept') {
      const { manifests, repositories, names } = event
      this.kept = { manifests, repositories, names }
    }
    if (event.kind !== 'item') return undefined
    const { kind: type, repository, subject, bytes, reason } = event.item
    const item = { action: event.action, type, repository, subject, bytes, reason }
    this.#items.push(item)
    this.#count(item)
    return item
  }

  result(hasItems: boolean): Result<'GarbageCollection'> {
    return {
      isDryRun: this.#isDryRun,
      removed: this.#removed,
      condemned: this.#condemned,
      items: hasItems ? this.#items : undefined,
      ...(this.#suspension && suspended(this.#suspension)),
      lostBlobs: this.#lostBlobs.length === 0 ? undefined : this.#lostBlobs,
      keptUntagged: this.kept,
    }
  }

  /** `took 3 blobs (1.2 MB) and 2 manifests, 1 upload, 4 links; condemned 1 blob (3 kB)`. */
  text(): string {
    const { uploads, blobLinks, repositories } = this.#removed
    const others = (
      [
        [uploads, counted(uploads, 'upload')],
        [blobLinks, counted(blobLinks, 'link')],
        [repositories, counted(repositories, 'repository', 'repositories')],
      ] as const
    ).flatMap(([count, words]) => (count === 0 ? [] : [words]))
    const { blobs, bytes } = this.#condemned
    const later =
      blobs === 0 ? '' : `; condemned ${counted(blobs, 'blob')} (${humanSize(bytes)}) for the next collection`
    return `${this.#isDryRun ? 'would take' : 'took'} ${[contentsText(this.#removed), ...others].join(', ')}${later}`
  }

  #count({ action, type, bytes }: GarbageItem): void {
    const removed = this.#removed
    if (action === 'condemned') {
      this.#condemned.blobs++
      this.#condemned.bytes += bytes
    } else if (type === 'blob') {
      removed.blobs++
      removed.bytes += bytes
    } else if (type === 'manifest') removed.manifests++
    else if (type === 'upload') removed.uploads++
    else if (type === 'blob-link') removed.blobLinks++
    else removed.repositories++
  }
}

function suspended(
  suspension: Extract<GarbageEvent, { kind: 'suspended' }>,
): Pick<Result<'GarbageCollection'>, 'suspendedUntil' | 'suspendedBecause' | 'otherDatabases'> {
  return {
    suspendedUntil: new Date(suspension.until).toISOString(),
    suspendedBecause: suspension.reason,
    otherDatabases: suspension.reason === 'two-databases' ? suspension.writers : undefined,
  }
}
