import { startHasher } from '../blobs/hasher.ts'
import type { BlobStore, ByteSource, UploadContent } from '../blobs/blob-store.ts'
import type { UploadClaim } from '../metadata/records.ts'
import { digestAlgorithm, type Digest } from '../oci/digest.ts'
import type { Body } from './registry.ts'
import { announcedBytes, emptyContent } from './upload-body.ts'
import { takenOver } from './upload-refusals.ts'
import { contentSize, type UploadHashers } from './upload-hashers.ts'

export interface CutUploadParts {
  readonly blobs: BlobStore
  readonly hashers: UploadHashers
  readonly inlineLimit: number
  readonly now: () => number
}

/**
 * Receives the body of a closing request after one that was cut. Clients send one of two things: the cut
 * request once more from its beginning, or the rest from the upload's offset (after a GET of its status). The
 * body is hashed in both ways and `digest` decides. `held` is then the whole content; undefined: neither
 * fits, and the upload keeps what it held. Throws the error that interrupted the body; nothing of it is kept,
 * since its position is not known yet.
 */
export async function receiveAfterCut(
  { blobs, hashers, inlineLimit, now }: CutUploadParts,
  claim: UploadClaim & { readonly cutFrom: number },
  { digest, body, stop }: { readonly digest: Digest; readonly body: Body; readonly stop: AbortSignal },
): Promise<{ readonly content: UploadContent | undefined; readonly found: Digest }> {
  const { upload, cutFrom } = claim
  const before = cutTo(upload.content, cutFrom)
  const algorithm = digestAlgorithm(digest)
  const again = await hashers.rehash(before, startHasher(algorithm))
  const further = await hashers.rehash(upload.content, startHasher(algorithm))
  const update = (chunk: Uint8Array): void => {
    again.update(chunk)
    further.update(chunk)
  }
  const { content: came, interrupted } = await blobs.receive(
    body.source,
    { content: emptyContent, hasher: { update }, inlineLimit, ...announcedBytes(body) },
    stop,
  )
  let kept: UploadContent | undefined
  try {
    if (interrupted !== undefined) throw interrupted as Error
    const found = again.digest()
    if (found === digest) {
      if (cutFrom > 0) {
        // Recorded first: after a crash the record must not count bytes that the store has cut off.
        const record = { content: before, hashState: undefined, digest: undefined, cutFrom, now: now() }
        if (!(await claim.save(record))) throw takenOver()
        kept = await join(before)
      } else kept = came
    } else if (further.digest() === digest) kept = await join(upload.content)
    return { content: kept, found }
  } finally {
    if (came.kind === 'staged' && came !== kept) await blobs.remove(came.key)
  }

  async function join(uploaded: UploadContent): Promise<UploadContent> {
    const reader = came.kind === 'staged' ? await blobs.openStaged(came) : undefined
    try {
      const source = reader?.stream() ?? sourceOf(came)
      const joined = await blobs.receive(
        source,
        { content: uploaded, hasher: { update() {} }, inlineLimit },
        stop,
      )
      if (joined.interrupted !== undefined) throw joined.interrupted as Error
      return joined.content
    } finally {
      reader?.close()
    }
  }
}

function cutTo(uploaded: UploadContent, size: number): UploadContent {
  if (size === 0) return emptyContent
  return uploaded.kind === 'inline'
    ? { ...uploaded, bytes: uploaded.bytes.subarray(0, size) }
    : { ...uploaded, size }
}

async function* sourceOf(uploaded: UploadContent): ByteSource {
  if (uploaded.kind === 'staged') throw new Error(`the staged bytes are gone: ${uploaded.key}`)
  if (contentSize(uploaded) > 0) yield uploaded.bytes
}
