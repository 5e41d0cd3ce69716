import type { RegistryPusher } from '../upstream/registry-pusher.ts'
import type { LocalImage } from './local-image.ts'
import { sendBlobs, type PushListener, type SentBlobs } from './send-blobs.ts'
import type { TargetName } from './target-name.ts'

export interface PushResult extends SentBlobs {
  readonly digest: string
}

/** Blobs that are sent concurrently. */
const concurrency = 2

/**
 * Sends blobs first, then manifests from the leaves up, the tag last, so that every reference is valid at any
 * time.
 */
export async function pushImage(
  pusher: RegistryPusher,
  { manifests }: LocalImage,
  { repository, tag }: TargetName,
  progress: PushListener,
): Promise<PushResult> {
  const blobs = manifests.flatMap((manifest) => manifest.blobs)
  const sent = await sendBlobs(pusher, { repository, blobs, concurrency }, progress)
  let digest = ''
  for (const manifest of manifests) {
    const reference = manifest === manifests.at(-1) ? tag : manifest.digest
    digest = (await pusher.pushManifest(repository, reference, manifest)) || manifest.digest
  }
  return { digest, ...sent }
}
