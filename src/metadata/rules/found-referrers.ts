import type { Digest } from '../../oci/digest.ts'
import type { Page, ReferrerPage, ReferrerRecord } from '../records.ts'

interface ReferrerRow {
  readonly digest: string | null
  readonly media_type: string | null
  readonly size: number | null
  readonly artifact_type: string | null
  readonly annotations: string | null
}

/** Collects one page. Rows beyond the page are not read: one row may have megabytes. */
export class FoundReferrers {
  readonly #limit: number
  readonly #bytes: number
  readonly #items: ReferrerRecord[] = []
  #seen = 0
  #content = 0
  #last = ''
  #isFull = false

  constructor({ limit, bytes }: ReferrerPage) {
    this.#limit = limit
    this.#bytes = bytes
  }

  /**
   * `place` is the column by which the rows are ordered. False: the page is full and the row was not added.
   */
  take(row: ReferrerRow, place: string): boolean {
    this.#content += (row.annotations?.length ?? 0) + (row.artifact_type?.length ?? 0)
    if (this.#seen === this.#limit || (this.#content > this.#bytes && this.#items.length > 0)) {
      this.#isFull = true
      return false
    }
    this.#seen++
    this.#last = place
    // An index entry whose manifest the repository does not hold has no row.
    if (row.digest !== null) this.#items.push(toReferrer(row, row.digest as Digest))
    return true
  }

  get page(): Page<ReferrerRecord> {
    return { items: this.#items, next: this.#isFull ? this.#last : undefined }
  }
}

function toReferrer(row: ReferrerRow, digest: Digest): ReferrerRecord {
  return {
    digest,
    mediaType: row.media_type ?? '',
    size: row.size ?? 0,
    artifactType: row.artifact_type ?? undefined,
    annotations: row.annotations ?? undefined,
  }
}
