import pLimit from 'p-limit'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { BlobProgress, BlobSource, RegistryPusher } from '../upstream/registry-pusher.ts'

/** Receives the progress of one blob. */
export interface BlobLine extends BlobProgress {
  done(outcome: 'there' | 'mounted' | 'pushed'): void
}

/** Receives the progress of a push. */
export interface PushListener {
  /** Adds blobs of so many bytes to what is to be sent, before the first of them begins. */
  expect(bytes: number): void
  begin(blob: BlobSource): BlobLine
}

export interface SentBlobs {
  readonly pushed: number
  readonly total: number
  /** Bytes of the blobs that were sent. */
  readonly bytes: number
}

/** Sends each digest once. After the first failure no further blob is started. */
export async function sendBlobs(
  pusher: RegistryPusher,
  {
    repository,
    blobs,
    concurrency,
  }: {
    readonly repository: RepositoryName
    readonly blobs: readonly BlobSource[]
    readonly concurrency: number
  },
  progress: PushListener,
): Promise<SentBlobs> {
  // The largest blob starts first, so that it is not the only one at the end.
  const queue = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()].sort(
    (one, other) => other.size - one.size,
  )
  progress.expect(queue.reduce((sum, { size }) => sum + size, 0))
  let [pushed, bytes] = [0, 0]
  const send = async (blob: BlobSource): Promise<void> => {
    const line = progress.begin(blob)
    const outcome = await pusher.pushBlob(repository, blob, line)
    line.done(outcome)
    if (outcome !== 'pushed') return
    pushed++
    bytes += blob.size
  }
  const limit = pLimit(concurrency)
  const sent = queue.map((blob) =>
    limit(() =>
      send(blob).catch((error: unknown) => {
        limit.clearQueue()
        throw error
      }),
    ),
  )
  await Promise.all(sent)
  return { pushed, total: queue.length, bytes }
}
