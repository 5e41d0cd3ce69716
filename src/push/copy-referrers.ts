import pLimit from 'p-limit'
import { z } from 'zod'
import { ForeignJsonError, parseForeignJson } from '../foreign-json.ts'
import { isDigest, type Digest } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import { isIndexType, ociImageIndex } from '../oci/media-types.ts'
import { referrersTag } from '../oci/referrers-tag.ts'
import { parseTag, type Tag } from '../oci/tag.ts'
import type { RemoteManifest } from '../upstream/registry-client.ts'
import { digestText } from '../upstream/registry-documents.ts'
import { UpstreamFault } from '../upstream/upstream-fault.ts'
import { readRemoteImage, type ImageOrigin, type RemoteImage } from './remote-image.ts'
import type { PushListener, SentBlobs } from './send-blobs.ts'
import { sendImage, sendTag, type CopyTarget } from './send-image.ts'

interface CopiedReferrers extends SentBlobs {
  readonly referrers: number
}

/** What refers to a manifest: by the referrers API or the tag schema, and under tags of cosign's scheme. */
interface Found {
  readonly referrers: readonly Digest[]
  readonly tags: readonly Tag[]
}

/** Subjects that are looked up concurrently. */
const concurrency = 4
/** cosign: `sha256-<hex>.sig` beside the image. */
const cosignTags = ['sig', 'att', 'sbom']

const indexSchema = z.looseObject({
  manifests: z.array(z.looseObject({ digest: digestText })),
})
type IndexEntry = z.infer<typeof indexSchema>['manifests'][number]
const indexLimit = 4 * 1024 * 1024

/**
 * Copies what refers to the subjects, and what refers to that. A target that does not list a copied referrer
 * has no referrers API: its tag schema is kept then (distribution-spec, "Referrers Tag Schema").
 */
export async function copyReferrers(
  {
    origin,
    target,
    subjects,
  }: { readonly origin: ImageOrigin; readonly target: CopyTarget; readonly subjects: readonly Digest[] },
  progress: PushListener,
): Promise<CopiedReferrers> {
  const seen = new Set<Digest>(subjects)
  let copied: CopiedReferrers = { referrers: 0, pushed: 0, total: 0, bytes: 0 }
  const send = async (image: RemoteImage): Promise<void> => {
    const { pushed, total, bytes } = await sendImage(target, image, progress)
    copied = {
      referrers: copied.referrers + 1,
      pushed: copied.pushed + pushed,
      total: copied.total + total,
      bytes: copied.bytes + bytes,
    }
  }
  const limit = pLimit(concurrency)
  for (let level = subjects; level.length > 0;) {
    const found = await Promise.all(level.map((subject) => limit(() => findReferrers(origin, subject))))
    const next: Digest[] = []
    for (const [place, subject] of level.entries()) {
      const { referrers = [], tags = [] } = found[place] ?? {}
      const images: RemoteImage[] = []
      for (const reference of [...referrers, ...tags]) {
        const image = await readRemoteImage(origin, reference)
        if (!seen.has(image.digest)) await send(image)
        if (isDigest(reference)) images.push(image)
        else await sendTag(target, reference, image)
        for (const { digest } of image.manifests) {
          if (!seen.has(digest)) next.push(digest)
          seen.add(digest)
        }
      }
      if (images.length > 0) await listReferrers(target, subject, images)
    }
    level = next
  }
  return copied
}

async function findReferrers({ client, repository }: ImageOrigin, subject: Digest): Promise<Found> {
  const schemaTag = referrersTag(subject)
  const [byApi, byTag] = [
    await client.referrers(repository, subject),
    await client.manifest(repository, schemaTag),
  ]
  const tags: Tag[] = []
  for (const suffix of cosignTags) {
    const tag = parseTag(`${schemaTag}.${suffix}`)
    if ((await client.digestOf(repository, tag)) !== undefined) tags.push(tag)
  }
  const digests = [...byApi, ...entriesOf(byTag)].map(({ digest }) => digest)
  return { referrers: [...new Set(digests)], tags }
}

/** Adds what the target's referrers API does not list to its tag schema. */
async function listReferrers(
  { client, pusher, repository }: CopyTarget,
  subject: Digest,
  images: readonly RemoteImage[],
): Promise<void> {
  const listed = new Set((await client.referrers(repository, subject)).map(({ digest }) => digest))
  const unlisted = images.filter(({ digest }) => !listed.has(digest))
  if (unlisted.length === 0) return
  const tag = referrersTag(subject)
  const there = entriesOf(await client.manifest(repository, tag))
  const known = new Set(there.map(({ digest }) => digest))
  const added = unlisted.filter(({ digest }) => !known.has(digest)).map(descriptorOf)
  if (added.length === 0) return
  const index = { schemaVersion: 2, mediaType: ociImageIndex, manifests: [...there, ...added] }
  const body = Buffer.from(JSON.stringify(index))
  await pusher.pushManifest(repository, tag, { mediaType: ociImageIndex, body })
}

function descriptorOf({ digest, manifests }: RemoteImage): IndexEntry {
  const manifest = manifests.at(-1)
  if (manifest === undefined) throw new TypeError(`${digest} has no manifest`)
  const { mediaType, artifactType, annotations } = parseManifest(manifest.body, manifest.mediaType)
  return {
    mediaType,
    digest,
    size: manifest.body.byteLength,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  }
}

/** Of the tag schema's index; none if the tag names something else. */
function entriesOf(found: RemoteManifest | undefined): readonly IndexEntry[] {
  if (found === undefined || !isIndexType(found.mediaType)) return []
  try {
    return parseForeignJson(found.body, indexSchema, indexLimit).manifests
  } catch (cause) {
    if (!(cause instanceof ForeignJsonError)) throw cause
    throw new UpstreamFault('malformed', `the index ${found.digest} of referrers: ${cause.message}`, {
      cause,
    })
  }
}
