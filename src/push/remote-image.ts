import { counted } from '../counted.ts'
import { createHash } from 'node:crypto'
import pLimit from 'p-limit'
import { digestAlgorithm, makeDigest, type Digest } from '../oci/digest.ts'
import { parseManifest, type Descriptor, type Manifest } from '../oci/manifest.ts'
import { isManifestType, isNonDistributable } from '../oci/media-types.ts'
import { OciError } from '../oci/oci-error.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import type { RegistryClient, RemoteManifest } from '../upstream/registry-client.ts'
import type { BlobSource } from '../upstream/registry-pusher.ts'
import { UpstreamFault } from '../upstream/upstream-fault.ts'
import { UserError } from '../user-error.ts'
import type { LocalManifest } from './local-image.ts'
import { selectPlatform, type Platform } from './select-platform.ts'

/** A repository of a registry from which images are read. */
export interface ImageOrigin {
  readonly client: RegistryClient
  readonly repository: RepositoryName
  /** True if the target is in the same registry, which then need not receive the blobs. */
  readonly isMountable: boolean
}

export interface RemoteImage {
  readonly digest: Digest
  /** Each manifest comes after those to which it refers; the last one is that of `digest`. */
  readonly manifests: readonly LocalManifest[]
}

/** Manifests that are read concurrently. */
const concurrency = 4

/**
 * Reads the manifests of an image, each once; its blobs are read when they are sent. With `platform` only the
 * image of that platform. Throws UserError NOT_FOUND, PLATFORM_MISSING; UpstreamFault.
 */
export async function readRemoteImage(
  origin: ImageOrigin,
  reference: Reference,
  platform?: Platform,
): Promise<RemoteImage> {
  const limit = pLimit(concurrency)
  const manifests: LocalManifest[] = []
  const read = async (wanted: Reference): Promise<RemoteManifest> => {
    const found = await limit(() => origin.client.manifest(origin.repository, wanted))
    if (found !== undefined) return found
    throw new UserError('NOT_FOUND', `${shown(origin, wanted)} is not in the registry`, {
      hint: 'An index of which only some platforms are there is copied by --platform.',
    })
  }
  const collect = async (found: RemoteManifest): Promise<void> => {
    const manifest = parsed(origin, found)
    const children = manifest.manifests.filter(({ mediaType }) => isManifestType(mediaType))
    await Promise.all(children.map(({ digest }) => collectOnce(digest)))
    const { digest, body } = found
    manifests.push({ digest, mediaType: manifest.mediaType, body, blobs: blobsOf(origin, manifest) })
  }
  // Two indexes that list one manifest both wait for it. None contains itself: its digest would be in it.
  const begun = new Map<Digest, Promise<void>>()
  const collectOnce = (digest: Digest): Promise<void> => {
    const known = begun.get(digest)
    if (known !== undefined) return known
    const reading = read(digest).then(collect)
    begun.set(digest, reading)
    return reading
  }
  const first = await read(reference)
  const found =
    platform === undefined
      ? first
      : await selectPlatform(first, platform, {
          name: shown(origin, reference),
          parse: (each) => parsed(origin, each),
          read,
          readConfig: (digest, most) => origin.client.smallBlob(origin.repository, digest, most),
        })
  await collect(found)
  return { digest: found.digest, manifests }
}

function parsed(origin: ImageOrigin, { digest, mediaType, body }: RemoteManifest): Manifest {
  try {
    return parseManifest(body, mediaType)
  } catch (cause) {
    if (!(cause instanceof OciError)) throw cause
    const detail = typeof cause.detail === 'string' ? cause.detail : cause.message
    throw new UpstreamFault('malformed', `${shown(origin, digest)} is no manifest: ${detail}`, { cause })
  }
}

function blobsOf(origin: ImageOrigin, { config, layers, manifests }: Manifest): BlobSource[] {
  const blobs = [
    ...(config === undefined ? [] : [config]),
    ...layers.filter(({ mediaType }) => !isNonDistributable(mediaType)),
    ...manifests.filter(({ mediaType }) => !isManifestType(mediaType)),
  ]
  return blobs.map((blob) => blobSource(origin, blob))
}

function blobSource({ client, repository, isMountable }: ImageOrigin, blob: Descriptor): BlobSource {
  const { digest, size } = blob
  const proof = new BlobProof(blob)
  return {
    digest,
    size,
    mountFrom: isMountable ? repository : undefined,
    open: (offset) => proof.check(client.openBlob(repository, digest, offset), offset),
  }
}

/** Compares the bytes of a blob with its descriptor, across the connections on which they come. */
class BlobProof {
  readonly #blob: Descriptor
  #hash
  #hashed = 0

  constructor(blob: Descriptor) {
    this.#blob = blob
    this.#hash = createHash(digestAlgorithm(blob.digest))
  }

  /**
   * Yields the same bytes. The last ones come only after they are proved, so that no registry receives the
   * whole of something else. Throws UpstreamFault `malformed`.
   */
  async *check(chunks: AsyncIterable<Uint8Array>, offset: number): AsyncGenerator<Uint8Array> {
    const { digest, size } = this.#blob
    if (offset === 0) this.#restart()
    let at = offset
    let held: Uint8Array | undefined
    for await (const chunk of chunks) {
      if (held !== undefined) yield held
      // Bytes that came on an earlier connection are not hashed twice.
      const known = Math.min(chunk.length, Math.max(0, this.#hashed - at))
      this.#hash.update(chunk.subarray(known))
      at += chunk.length
      this.#hashed = Math.max(this.#hashed, at)
      if (at > size) throw wrong(`${digest} has more than the ${counted(size, 'byte')} of its descriptor`)
      held = chunk
    }
    if (at < size) throw wrong(`${digest} ends after ${at} of ${counted(size, 'byte')}`)
    const found = makeDigest(digestAlgorithm(digest), this.#hash.copy().digest('hex'))
    if (found !== digest) throw wrong(`the bytes of ${digest} have the digest ${found}`)
    if (held !== undefined) yield held
  }

  #restart(): void {
    this.#hash = createHash(digestAlgorithm(this.#blob.digest))
    this.#hashed = 0
  }
}

function wrong(reason: string): UpstreamFault {
  return new UpstreamFault('malformed', `the registry that is copied from: ${reason}`)
}

function shown({ repository }: ImageOrigin, reference: Reference): string {
  return `${repository}${reference.includes(':') ? '@' : ':'}${reference}`
}
