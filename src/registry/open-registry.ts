import { BlobRules } from './blobs.ts'
import { ListingRules } from './listings.ts'
import { ManifestRules } from './manifests.ts'
import type { Registry } from './registry.ts'
import type { RegistryParts } from './settings.ts'
import { UploadRules } from './uploads.ts'

/** A registry over its stores. Several may share the same stores: each worker has one. */
export function openRegistry(parts: RegistryParts): Registry {
  return {
    blobs: new BlobRules(parts),
    uploads: new UploadRules(parts),
    manifests: new ManifestRules(parts),
    listings: new ListingRules(parts),
    history: parts.metadata.history,
  }
}
