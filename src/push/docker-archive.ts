import { counted } from '../counted.ts'
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'
import { digestOfBytes, isDigest, makeDigest, parseDigest, type Digest } from '../oci/digest.ts'
import { dockerImageManifest } from '../oci/media-types.ts'
import type { BlobSource } from '../upstream/registry-pusher.ts'
import { invalidArchive, largestFile, readJson, readSmall, type ArchiveFiles } from './archive-files.ts'
import type { LocalImage } from './local-image.ts'

const archiveSchema = z.array(
  z.object({
    Config: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    Layers: z.array(z.string()),
  }),
)
const configSchema = z.object({ rootfs: z.object({ diff_ids: z.array(z.string()) }) })

const layerType = 'application/vnd.docker.image.rootfs.diff.tar'

/**
 * Reads the image of a docker-archive (`docker save`: manifest.json, a config and layers) as a docker schema
 * 2 manifest, because its config is docker's. Layers are sent as they are. The digest of an uncompressed
 * layer is its diff_id in the config, so that trow knows without reading a byte what the registry has
 * already, and a second push sends nothing. Compressing the layers first would cost a minute of one core per
 * 4 GB, each time. Returns `undefined` if it is no docker-archive. Throws UserError ARCHIVE_INVALID.
 */
export async function readDockerArchive(
  files: ArchiveFiles,
  wanted: string | undefined,
): Promise<LocalImage | undefined> {
  const listed = await readJson(files, 'manifest.json', {
    schema: archiveSchema,
    form: 'that of docker save',
  })
  if (listed === undefined) return undefined
  const named = listed.filter(({ RepoTags }) => wanted !== undefined && RepoTags?.includes(wanted))
  const image = named.length === 1 ? named[0] : listed[0]
  if (image === undefined || (listed.length > 1 && named.length !== 1)) {
    const names = listed.flatMap(({ RepoTags }) => RepoTags ?? []).join(', ')
    throw invalidArchive(
      files.path,
      `it holds ${counted(listed.length, 'image')} (${names}): save one by itself`,
    )
  }
  const body = await readSmall(files, image.Config)
  const config = tryForeignJson(body, configSchema, largestFile)
  if (body === undefined || config === undefined)
    throw invalidArchive(files.path, `${image.Config} is no config`)
  const { diff_ids: diffIds } = config.rootfs
  if (diffIds.length !== image.Layers.length) {
    throw invalidArchive(
      files.path,
      `it has ${counted(image.Layers.length, 'layer')}, and its config ${diffIds.length}`,
    )
  }
  const configBlob: BlobSource = {
    digest: digestOfBytes('sha256', body),
    size: body.length,
    open: (offset) => files.open(image.Config, offset),
  }
  const layers = await Promise.all(
    image.Layers.map((path, index) => readLayer(files, path, diffIds[index] ?? '')),
  )
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: dockerImageManifest,
      config: {
        mediaType: 'application/vnd.docker.container.image.v1+json',
        size: configBlob.size,
        digest: configBlob.digest,
      },
      layers: layers.map(({ mediaType, source: { size, digest } }) => ({ mediaType, size, digest })),
    }),
  )
  return {
    manifests: [
      {
        digest: digestOfBytes('sha256', manifest),
        mediaType: dockerImageManifest,
        body: manifest,
        blobs: [configBlob, ...layers.map(({ source }) => source)],
      },
    ],
    name: image.RepoTags?.[0],
    notes: [],
  }
}

/** Some tools compress the layers in their archives. */
async function readLayer(
  files: ArchiveFiles,
  path: string,
  diffId: string,
): Promise<{ readonly mediaType: string; readonly source: BlobSource }> {
  const size = await files.size(path)
  if (size === undefined) throw invalidArchive(files.path, `the layer ${path} is missing`)
  if (!isDigest(diffId)) throw invalidArchive(files.path, `"${diffId}" is no digest of a layer`)
  const open = (offset: number): AsyncIterable<Uint8Array> => files.open(path, offset)
  const compressed = await compressionOf(open(0))
  const digest = compressed === '' ? parseDigest(diffId) : await hashed(open(0))
  return { mediaType: `${layerType}${compressed}`, source: { digest, size, open } }
}

async function compressionOf(content: AsyncIterable<Uint8Array>): Promise<'' | '.gzip' | '.zstd'> {
  for await (const chunk of content) {
    const start = Buffer.from(chunk.subarray(0, 4)).toString('hex')
    return start.startsWith('1f8b') ? '.gzip' : start === '28b52ffd' ? '.zstd' : ''
  }
  return ''
}

async function hashed(content: AsyncIterable<Uint8Array>): Promise<Digest> {
  const hash = createHash('sha256')
  for await (const chunk of content) hash.update(chunk)
  return makeDigest('sha256', hash.digest('hex'))
}
