import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import tar from 'tar-stream'
import { isNonDistributable } from '../oci/media-types.ts'
import type { LocalManifest } from '../push/local-image.ts'
import type { PushListener } from '../push/send-blobs.ts'
import type { BlobSource } from '../upstream/registry-pusher.ts'
import { entryOf, layoutMark, placeOf } from './layout-form.ts'
import { parsed, type PulledImage } from './pulled-image.ts'
import { readBlob } from './read-blob.ts'
import type { PulledBlobs } from './write-layout.ts'

/**
 * `docker` is what `docker load` and `podman load` read, `oci` an OCI layout for everybody else. Both fit into one
 * tar.
 */
export interface ArchiveForm {
  readonly oci: boolean
  /** The one image of docker's form; see `oneImage`. */
  readonly docker: LocalManifest | undefined
}

/**
 * Writes an image as a tar, of which the blobs are read while it is written: none is held in memory. Throws
 * UpstreamFault; the target is then cut off.
 */
export async function writeArchive(
  image: PulledImage,
  { oci, docker }: ArchiveForm,
  {
    target,
    progress,
    signal,
  }: { readonly target: Writable; readonly progress: PushListener; readonly signal: AbortSignal },
): Promise<PulledBlobs> {
  const pack = tar.pack()
  const manifests = oci ? image.manifests : docker === undefined ? [] : [docker]
  const blobs = [...new Map(manifests.flatMap((each) => each.blobs).map((blob) => [blob.digest, blob])).values()] // prettier-ignore
  progress.expect(sizeOf(blobs))
  const add = async (): Promise<void> => {
    const small = (name: string, content: Uint8Array): void =>
      void pack.entry({ ...fixed, name }, Buffer.from(content))
    const json = (name: string, value: unknown): void => small(name, Buffer.from(JSON.stringify(value)))
    if (oci) {
      small('oci-layout', Buffer.from(layoutMark))
      json('index.json', { schemaVersion: 2, manifests: [entryOf(image)] })
      for (const { digest, body } of manifests) small(placeOf(digest), body)
    }
    const listed = docker && dockerEntry(image, docker)
    if (listed !== undefined) json('manifest.json', [listed])
    for (const blob of blobs) await addBlob(pack, blob, progress, signal)
    pack.finalize()
  }
  const adding = add()
  adding.catch((error: Error) => pack.destroy(error))
  const [added, written] = await Promise.allSettled([adding, pipeline(pack, target)])
  // What adds knows why; the pipeline only sees that it ended, unless the target itself failed.
  if (added.status === 'rejected') throw added.reason
  if (written.status === 'rejected') throw written.reason
  return { fetched: blobs.length, total: blobs.length, bytes: sizeOf(blobs) }
}

function sizeOf(blobs: readonly BlobSource[]): number {
  return blobs.reduce((sum, { size }) => sum + size, 0)
}

const fixed = { mtime: new Date(0), uid: 0, gid: 0, mode: 0o644 }

async function addBlob(
  pack: tar.Pack,
  blob: BlobSource,
  progress: PushListener,
  signal: AbortSignal,
): Promise<void> {
  const line = progress.begin(blob)
  const entry = pack.entry({ ...fixed, name: placeOf(blob.digest), size: blob.size })
  await pipeline(readBlob(blob, line, signal), entry)
  line.done('pushed')
}

/** Docker's manifest.json. `undefined` if a layer is not in the registry, or it is no image. */
function dockerEntry({ name, tag }: PulledImage, docker: LocalManifest): object | undefined {
  const { config, layers } = parsed(docker)
  if (config === undefined || !/image/.test(config.mediaType)) return undefined
  if (layers.some(({ mediaType }) => isNonDistributable(mediaType))) return undefined
  return {
    Config: placeOf(config.digest),
    RepoTags: tag === undefined ? [] : [name],
    Layers: layers.map(({ digest }) => placeOf(digest)),
  }
}
