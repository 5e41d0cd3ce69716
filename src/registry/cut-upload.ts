import { startHasher } from '../blobs/hasher.ts'
import type { BlobStore, ByteSource, Held } from '../blobs/blob-store.ts'
import type { UploadClaim } from '../metadata/records.ts'
import { digestAlgorithm, type Digest } from '../oci/digest.ts'
import type { Body } from './registry.ts'
import { announcedBytes, emptyHeld } from './upload-body.ts'
import { heldSize, type UploadHashers } from './upload-hashers.ts'

export interface CutUploadParts {
  readonly blobs: BlobStore
  readonly hashers: UploadHashers
  readonly inlineLimit: number
  readonly now: () => number
}

/**
 * Takes the body of a closing request after one that was cut. It is read in both ways that clients mean it: the cut
 * request once more from its beginning, or the rest from where the upload stands (after a GET of its status). `digest`
 * decides; `held` is then the whole content, else undefined, and the upload holds what it held. Throws what interrupted
 * the body; nothing of it is kept, since nobody knows yet where it belongs.
 */
export async function receiveAfterCut(
  { blobs, hashers, inlineLimit, now }: CutUploadParts,
  claim: UploadClaim & { readonly cutFrom: number },
  { digest, body, stop }: { readonly digest: Digest; readonly body: Body; readonly stop: AbortSignal },
): Promise<{ readonly held: Held | undefined; readonly found: Digest }> {
  const { upload, cutFrom } = claim
  const before = cutTo(upload.held, cutFrom)
  const algorithm = digestAlgorithm(digest)
  const again = await hashers.rehash(before, startHasher(algorithm))
  const further = await hashers.rehash(upload.held, startHasher(algorithm))
  const update = (chunk: Uint8Array): void => {
    again.update(chunk)
    further.update(chunk)
  }
  const { held: came, interrupted } = await blobs.receive(
    body.source,
    { held: emptyHeld, hasher: { update }, inlineLimit, ...announcedBytes(body) },
    stop,
  )
  let kept: Held | undefined
  try {
    if (interrupted !== undefined) throw interrupted as Error
    const found = again.digest()
    if (found === digest) {
      if (cutFrom > 0) {
        // What the store cuts away is not to be counted on after a crash.
        await claim.save({ held: before, hashState: undefined, digest: undefined, cutFrom, now: now() })
        kept = await join(before)
      } else kept = came
    } else if (further.digest() === digest) kept = await join(upload.held)
    return { held: kept, found }
  } finally {
    if (came.kind === 'staged' && came !== kept) await blobs.remove(came.key)
  }

  async function join(held: Held): Promise<Held> {
    const reader = came.kind === 'staged' ? await blobs.openStaged(came.key) : undefined
    try {
      const source = reader?.stream() ?? sourceOf(came)
      const joined = await blobs.receive(source, { held, hasher: { update() {} }, inlineLimit }, stop)
      if (joined.interrupted !== undefined) throw joined.interrupted as Error
      return joined.held
    } finally {
      reader?.close()
    }
  }
}

function cutTo(held: Held, size: number): Held {
  if (size === 0) return emptyHeld
  return held.kind === 'inline' ? { ...held, bytes: held.bytes.subarray(0, size) } : { ...held, size }
}

async function* sourceOf(held: Held): ByteSource {
  if (held.kind === 'staged') throw new Error(`the staged bytes are gone: ${held.key}`)
  if (heldSize(held) > 0) yield held.bytes
}
