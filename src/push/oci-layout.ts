import { counted } from '../counted.ts'
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ForeignJsonError, parseForeignJson } from '../foreign-json.ts'
import { isDigest, type Digest } from '../oci/digest.ts'
import { parseManifest, type Manifest } from '../oci/manifest.ts'
import { isIndexType, isManifestType, isNonDistributable } from '../oci/media-types.ts'
import { OciError } from '../oci/oci-error.ts'
import type { BlobSource } from '../upstream/registry-pusher.ts'
import { invalidArchive, largestFile, readJson, readSmall, type ArchiveFiles } from './archive-files.ts'
import type { LocalImage, LocalManifest } from './local-image.ts'

/** image-spec "image-layout.md": the descriptors in index.json. */
const entrySchema = z.object({
  digest: z.string(),
  annotations: z.record(z.string(), z.string()).nullish(),
})
const indexSchema = z.object({ manifests: z.array(entrySchema).nullish() })
type IndexEntry = z.infer<typeof entrySchema>

const typeSchema = z.object({ mediaType: z.string().optional(), manifests: z.unknown().optional() })
const platformSchema = z.object({ os: z.string(), architecture: z.string() }).partial().catch({})

/**
 * Reads an image of an OCI layout (image-spec, "Image Layout") byte for byte. If an index has only one of its
 * images here (docker exports one platform of many), reads that image. `wanted` is a name or tag that selects
 * one of several. Returns `undefined` if it is no layout. Throws UserError ARCHIVE_INVALID.
 */
export async function readLayout(
  files: ArchiveFiles,
  wanted: string | undefined,
): Promise<LocalImage | undefined> {
  if ((await files.size('oci-layout')) === undefined) return undefined
  const index = await readJson(files, 'index.json', { schema: indexSchema, form: 'that of an OCI layout' })
  const entries = (index?.manifests ?? []).filter(({ digest }) => isDigest(digest))
  const entry = choose(files, entries, wanted)
  const notes: string[] = []
  const manifests = await collect(files, entry.digest as Digest, notes)
  if (manifests === undefined) throw invalidArchive(files.path, `content of ${entry.digest} is missing`)
  return { manifests, name: nameOf(entry), notes }
}

function choose(files: ArchiveFiles, entries: readonly IndexEntry[], wanted: string | undefined): IndexEntry {
  const [first] = entries
  const named = entries.filter((entry) => {
    const names = [nameOf(entry), entry.annotations?.[refName]]
    return wanted !== undefined && names.includes(wanted)
  })
  const found = named.length === 1 ? named[0] : undefined
  // One image with several names is still one image.
  const one = new Set(entries.map(({ digest }) => digest)).size === 1 ? first : undefined
  const chosen = found ?? one
  if (chosen !== undefined) return chosen
  if (first === undefined) throw invalidArchive(files.path, 'its index.json names no image')
  const names = entries.map((entry) => nameOf(entry) ?? entry.digest).join(', ')
  throw invalidArchive(files.path, `it holds several images (${names}): save one by itself`)
}

const refName = 'org.opencontainers.image.ref.name'

function nameOf({ annotations }: IndexEntry): string | undefined {
  return annotations?.['io.containerd.image.name'] ?? annotations?.[refName]
}

/** Returns `undefined` if a part of its content is missing. */
async function collect(
  files: ArchiveFiles,
  digest: Digest,
  notes: string[],
): Promise<readonly LocalManifest[] | undefined> {
  const body = await readSmall(files, blobPath(digest))
  if (body === undefined) return undefined
  const manifest = parse(files, digest, body)
  const { mediaType } = manifest
  if (!isIndexType(mediaType)) {
    const blobs = await blobsOf(files, manifest)
    return blobs === undefined ? undefined : [{ digest, mediaType, body, blobs }]
  }
  const children = await Promise.all(manifest.manifests.map((child) => collect(files, child.digest, notes)))
  if (children.every((child) => child !== undefined)) {
    return [...children.flat(), { digest, mediaType, body, blobs: [] }]
  }
  const here = manifest.manifests.flatMap((child, place) => {
    const found = children[place]
    // Attestations of buildkit belong to no platform.
    return found === undefined || child.platform?.['architecture'] === 'unknown' ? [] : [{ child, found }]
  })
  const [only] = here
  if (only === undefined || here.length > 1) return undefined
  const { os, architecture } = platformSchema.parse(only.child.platform ?? {})
  notes.push(
    `only ${os}/${architecture} of ${counted(manifest.manifests.length, 'manifest')} is here, so only that is pushed`,
  )
  return only.found
}

async function blobsOf(files: ArchiveFiles, manifest: Manifest): Promise<readonly BlobSource[] | undefined> {
  const blobs: BlobSource[] = []
  for (const link of [...(manifest.config === undefined ? [] : [manifest.config]), ...manifest.layers]) {
    const path = blobPath(link.digest)
    const size = await files.size(path)
    if (size === undefined && isNonDistributable(link.mediaType)) continue
    if (size !== link.size) return undefined
    blobs.push({ digest: link.digest, size, open: (offset) => files.open(path, offset) })
  }
  return blobs
}

function parse(files: ArchiveFiles, digest: Digest, body: Buffer): Manifest {
  const [algorithm = '', hex] = digest.split(':')
  if (createHash(algorithm).update(body).digest('hex') !== hex) {
    throw invalidArchive(files.path, `${digest} has other bytes than its digest says`)
  }
  try {
    const told = parseForeignJson(body, typeSchema, largestFile)
    // `mediaType` is optional in OCI's own types.
    const usual = told.manifests === undefined ? 'manifest' : 'index'
    const type = told.mediaType ?? `application/vnd.oci.image.${usual}.v1+json`
    if (!isManifestType(type)) throw invalidArchive(files.path, `${digest} is a ${type}`)
    return parseManifest(body, type)
  } catch (cause) {
    if (cause instanceof OciError || cause instanceof ForeignJsonError)
      throw invalidArchive(files.path, `${digest}: ${cause.message}`, cause)
    throw cause
  }
}

function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`
}
