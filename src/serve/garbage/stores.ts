import type { BlobStore } from '../../blobs/blob-store.ts'
import type { Log } from '../../log.ts'
import type { MetadataStore } from '../../metadata/metadata-store.ts'
import { ClockWatch } from '../../registry/clock-guard.ts'
import type { CollectorParts } from '../../registry/garbage.ts'
import type { Settings } from '../../settings/settings-schema.ts'

/** What collection, fsck and backup work on, in a served folder or in one that nobody serves. */
export interface MaintenanceStores extends CollectorParts {
  /** Bytes a second that fsck reads; 0: as fast as it goes. */
  readonly fsckRate: number
}

export function maintenanceStores(parts: {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly log: Log
  readonly settings: Settings
  readonly holder: string
}): MaintenanceStores {
  const { settings } = parts
  return {
    ...parts,
    clocks: new ClockWatch({ wall: Date.now, monotonic: () => performance.now() }),
    policy: {
      grace: settings['gc-grace'],
      uploadExpiry: settings['upload-expiry'],
      untagged: settings.untagged,
    },
    fsckRate: settings['fsck-rate'],
  }
}
