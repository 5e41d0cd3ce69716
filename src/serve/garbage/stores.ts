import { hostname } from 'node:os'
import type { BlobStore } from '../../blobs/blob-store.ts'
import type { Log } from '../../log.ts'
import type { MetadataStore } from '../../metadata/metadata-store.ts'
import type { ContentPlace } from '../../storage/storage-engine.ts'
import { CommitWatch } from '../../registry/commit-watch.ts'
import { ClockWatch } from '../../registry/clock-guard.ts'
import type { CollectorParts } from '../../registry/garbage.ts'
import type { Settings } from '../../settings/settings-schema.ts'

/** Milliseconds. A database that comes back from a copy of some minutes ago still finds the bytes in the bucket. */
const bucketDelay = 3_600_000

/** What collection, fsck and backup need, whether the folder is being served or not. */
export interface MaintenanceStores extends CollectorParts {
  /** Bytes per second that fsck reads; 0: no limit. */
  readonly fsckRate: number
}

export function maintenanceStores(parts: {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly log: Log
  /** The settings that are in force. */
  readonly settings: () => Settings
  readonly content: ContentPlace
  readonly holder: string
}): MaintenanceStores {
  const { settings } = parts
  const clocks = new ClockWatch({ wall: Date.now, monotonic: () => performance.now() })
  const { database } = settings()
  // Rows and bytes in one folder go back in time together.
  const isApart = database !== undefined || parts.content === 'bucket'
  return {
    ...parts,
    clocks,
    commits: isApart ? new CommitWatch({ ...parts, clocks, writer: writerOf(settings()) }) : undefined,
    policy: {
      get grace() {
        return settings()['gc-grace']
      },
      get uploadExpiry() {
        return settings()['upload-expiry']
      },
      get deleteDelay() {
        return settings()['delete-delay'] ?? (parts.content === 'bucket' ? bucketDelay : undefined)
      },
      get untagged() {
        return settings().untagged
      },
    },
    get fsckRate() {
      return settings()['fsck-rate']
    },
  }
}

/** For people who find another database at their blobs. */
function writerOf({ database, data }: Settings): string {
  const url = database === undefined ? undefined : new URL(database)
  return `${url === undefined ? data : `${url.host}${url.pathname}`} on ${hostname()}`
}
