import type { BlobProgress, BlobSource, RegistryPusher } from '../upstream/registry-pusher.ts'
import type { LocalImage } from './local-image.ts'
import type { TargetName } from './target-name.ts'

/** What is told about one blob. */
export interface BlobLine extends BlobProgress {
  done(outcome: 'there' | 'mounted' | 'pushed'): void
}

/** Who is told what becomes of each blob. */
export interface PushListener {
  begin(blob: BlobSource): BlobLine
}

export interface PushResult {
  readonly digest: string
  readonly pushed: number
  readonly total: number
  /** Bytes of blobs that had to travel. */
  readonly bytes: number
}

/** Blobs that travel at once. */
const concurrency = 2

/** Blobs first, then manifests from the leaves up, the tag last: what is referred to is always there. */
export async function pushImage(
  pusher: RegistryPusher,
  { manifests }: LocalImage,
  { repository, tag }: TargetName,
  progress: PushListener,
): Promise<PushResult> {
  const blobs = new Map<string, BlobSource>()
  for (const manifest of manifests) for (const blob of manifest.blobs) blobs.set(blob.digest, blob)
  // The largest first: the last one then does not go alone for long.
  const queue = [...blobs.values()].sort((one, other) => other.size - one.size)
  const total = queue.length
  let [pushed, bytes] = [0, 0]
  const work = async (): Promise<void> => {
    for (let blob = queue.shift(); blob !== undefined; blob = queue.shift()) {
      const line = progress.begin(blob)
      const outcome = await pusher.pushBlob(repository, blob, line)
      line.done(outcome)
      if (outcome !== 'pushed') continue
      pushed++
      bytes += blob.size
    }
  }
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      try {
        await work()
      } catch (error) {
        // The others begin nothing new.
        queue.length = 0
        throw error
      }
    }),
  )
  let digest = ''
  for (const manifest of manifests) {
    const reference = manifest === manifests.at(-1) ? tag : manifest.digest
    digest = (await pusher.pushManifest(repository, reference, manifest)) || manifest.digest
  }
  return { digest, pushed, total, bytes }
}
