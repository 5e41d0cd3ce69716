import pLimit from 'p-limit'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference, Tag } from '../oci/tag.ts'
import type { RegistryClient } from '../upstream/registry-client.ts'
import type { RegistryPusher } from '../upstream/registry-pusher.ts'
import { UpstreamFault } from '../upstream/upstream-fault.ts'
import type { LocalManifest } from './local-image.ts'
import type { RemoteImage } from './remote-image.ts'
import { sendBlobs, type PushListener, type SentBlobs } from './send-blobs.ts'

/** A repository of the registry that receives the copy. */
export interface CopyTarget {
  readonly client: RegistryClient
  readonly pusher: RegistryPusher
  readonly repository: RepositoryName
}

/** Blobs that are sent, and manifests that are looked up, concurrently. */
const concurrency = 4

/** Sends an image without a tag. */
export async function sendImage(
  { client, pusher, repository }: CopyTarget,
  { manifests }: RemoteImage,
  progress: PushListener,
): Promise<SentBlobs> {
  const blobs = manifests.flatMap((manifest) => manifest.blobs)
  const sent = await sendBlobs(pusher, { repository, blobs, concurrency }, progress)
  const limit = pLimit(concurrency)
  const known = await Promise.all(
    manifests.map(({ digest }) => limit(() => client.digestOf(repository, digest))),
  )
  for (const [place, manifest] of manifests.entries()) {
    if (known[place] !== manifest.digest) await sendManifest(pusher, repository, manifest.digest, manifest)
  }
  return sent
}

/** Gives a tag to an image that the target has. */
export async function sendTag(
  { client, pusher, repository }: CopyTarget,
  tag: Tag,
  { digest, manifests }: RemoteImage,
): Promise<void> {
  const manifest = manifests.at(-1)
  if (manifest === undefined || (await client.digestOf(repository, tag)) === digest) return
  await sendManifest(pusher, repository, tag, manifest)
}

/** Throws UpstreamFault `malformed` if the registry stores something else. */
async function sendManifest(
  pusher: RegistryPusher,
  repository: RepositoryName,
  reference: Reference,
  manifest: LocalManifest,
): Promise<void> {
  const stored = await pusher.pushManifest(repository, reference, manifest)
  if (stored === '' || stored === manifest.digest) return
  const message = `the registry that is copied to stored ${stored} instead of ${manifest.digest}`
  throw new UpstreamFault('malformed', message)
}
