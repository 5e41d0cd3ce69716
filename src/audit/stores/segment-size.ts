import type { Retention } from '../audit-store.ts'

const smallest = 64 * 1024

/** Bytes. Retention removes whole segments only, so a log with a small limit has small segments. */
export function segmentSizeFor({ bytes }: Retention, largest: number): number {
  return Math.min(Math.max(Math.floor(bytes / 16), smallest), largest)
}
