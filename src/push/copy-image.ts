import type { Digest } from '../oci/digest.ts'
import type { Reference, Tag } from '../oci/tag.ts'
import { copyReferrers } from './copy-referrers.ts'
import { readRemoteImage, type ImageOrigin } from './remote-image.ts'
import type { Platform } from './select-platform.ts'
import type { PushListener, SentBlobs } from './send-blobs.ts'
import { sendImage, sendTag, type CopyTarget } from './send-image.ts'

export interface CopyRequest {
  readonly origin: ImageOrigin
  readonly reference: Reference
  readonly target: CopyTarget
  /** `undefined`: the copy is reached by its digest alone. */
  readonly tag: Tag | undefined
  /** `undefined`: all of them. */
  readonly platform: Platform | undefined
  readonly hasReferrers: boolean
}

export interface CopyResult extends SentBlobs {
  readonly digest: Digest
  readonly manifests: number
  /** Manifests that refer to those of the image. */
  readonly referrers: number
}

/**
 * Copies an image byte for byte: blobs first, then manifests from the leaves up, then what refers to them, the
 * tag last, so that every reference is valid at any time. What the target has is not sent, so that a copy that
 * was cut goes on when it is started again. Throws UserError of `readRemoteImage`; UpstreamFault.
 */
export async function copyImage(
  { origin, reference, target, tag, platform, hasReferrers }: CopyRequest,
  progress: PushListener,
): Promise<CopyResult> {
  const image = await readRemoteImage(origin, reference, platform)
  const sent = await sendImage(target, image, progress)
  const digests = image.manifests.map(({ digest }) => digest)
  const below = hasReferrers ? await copyReferrers({ origin, target, subjects: digests }, progress) : none
  if (tag !== undefined) await sendTag(target, tag, image)
  return {
    digest: image.digest,
    manifests: digests.length,
    referrers: below.referrers,
    pushed: sent.pushed + below.pushed,
    total: sent.total + below.total,
    bytes: sent.bytes + below.bytes,
  }
}

const none = { referrers: 0, pushed: 0, total: 0, bytes: 0 }
