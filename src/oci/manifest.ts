import { counted } from '../counted.ts'
import { isDigest, type Digest } from './digest.ts'
import {
  isIndexType,
  isManifestType,
  isNonDistributable,
  isSameType,
  ociImageIndex,
  ociImageManifest,
} from './media-types.ts'
import { invalid, parseStrictJson, strictJsonSteps, tooMany } from './strict-json.ts'

/** Content that a manifest names. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly artifactType: string | undefined
  readonly annotations: Readonly<Record<string, string>> | undefined
  readonly platform: Readonly<Record<string, unknown>> | undefined
}

export interface ManifestLink {
  readonly digest: Digest
  /** In bytes, as the descriptor says. */
  readonly size: number
  readonly kind: 'config' | 'layer' | 'manifest' | 'blob'
  /** False for non-distributable layers, which need not be pushed. */
  readonly required: boolean
}

/** An image manifest or an index; image-spec "manifest.md" and "image-index.md". */
export interface Manifest {
  readonly mediaType: string
  /** For the referrers list: an image's artifactType, else its config's media type; an index's artifactType. */
  readonly artifactType: string | undefined
  readonly config: Descriptor | undefined
  readonly layers: readonly Descriptor[]
  readonly manifests: readonly Descriptor[]
  readonly subject: Descriptor | undefined
  readonly annotations: Readonly<Record<string, string>> | undefined
  /** The content that must be in the repository for a complete manifest, each digest once. */
  readonly references: readonly ManifestLink[]
}

type JsonObject = Readonly<Record<string, unknown>>

/** Layers of an image, or children of an index. Real ones have some hundreds at most. */
const descriptorLimit = 10_000
/** RFC 6838, 4.2: two names of 127 characters. Referrers are looked up by media type. */
const mediaTypeLimit = 255

/**
 * Parses and checks a manifest body. `contentType` is the request's Content-Type without parameters. Throws
 * OciError MANIFEST_INVALID: not JSON, an unknown type, a Content-Type that contradicts the document
 * (CVE-2021-41190), fields of both an image and an index, descriptors without digest or size;
 * MANIFEST_TOO_LARGE: more than 10,000 descriptors, or more JSON than `strictJsonSteps` accepts.
 */
export function parseManifest(body: Uint8Array, contentType: string | undefined): Manifest {
  return manifestOf(parseStrictJson(body), contentType)
}

/** Bytes: a smaller body is parsed in a fraction of a millisecond. */
export const largeBody = 64 * 1024

/** The same without blocking the event loop: `turn` is awaited between the parts of a large body. */
export async function parseManifestInTurns(
  body: Uint8Array,
  contentType: string | undefined,
  turn: () => Promise<unknown>,
): Promise<Manifest> {
  const steps = manifestSteps(body, contentType)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
    await turn()
  }
}

function* manifestSteps(body: Uint8Array, contentType: string | undefined): Generator<void, Manifest> {
  const document = yield* strictJsonSteps(body)
  yield
  return manifestOf(document, contentType)
}

function manifestOf(document: unknown, contentType: string | undefined): Manifest {
  const fields = asFields(document, 'the manifest')
  if (fields['schemaVersion'] !== 2) {
    throw invalid(
      fields['schemaVersion'] === 1
        ? 'docker image manifests of schema 1 are not taken: push again with a client of this decade'
        : '"schemaVersion" must be 2',
    )
  }
  const mediaType = mediaTypeOf(fields, contentType)
  const isIndex = isIndexType(mediaType)
  if (isIndex && ('layers' in fields || 'config' in fields)) {
    throw invalid('an index must not have "layers" or "config"')
  }
  if (!isIndex && 'manifests' in fields) throw invalid('an image manifest must not have "manifests"')
  const config = isIndex ? undefined : descriptor(fields['config'], 'config')
  const layers = isIndex ? [] : descriptors(fields['layers'], 'layers')
  const manifests = isIndex ? descriptors(fields['manifests'], 'manifests') : []
  const artifactType = optionalType(fields['artifactType'], 'artifactType')
  return {
    mediaType,
    artifactType: artifactType ?? config?.mediaType,
    config,
    layers,
    manifests,
    subject:
      fields['subject'] === undefined || fields['subject'] === null
        ? undefined
        : descriptor(fields['subject'], 'subject'),
    annotations: annotations(fields['annotations'], 'annotations'),
    references: unique([
      ...(config === undefined ? [] : [link(config, 'config')]),
      ...layers.map((layer) => link(layer, 'layer')),
      ...manifests.map((child) => link(child, isManifestType(child.mediaType) ? 'manifest' : 'blob')),
    ]),
  }
}

function mediaTypeOf(fields: JsonObject, contentType: string | undefined): string {
  const inside = optionalText(fields['mediaType'], 'mediaType')
  const given = contentType === undefined || contentType === '' ? undefined : contentType
  if (inside !== undefined && given !== undefined && !isSameType(inside, given)) {
    throw invalid(`Content-Type says ${given}, the document says ${inside}`)
  }
  const mediaType = given ?? inside ?? ('manifests' in fields ? ociImageIndex : ociImageManifest)
  // In the specification's spelling: clients compare the media type of a pull case-sensitively.
  if (isManifestType(mediaType)) return mediaType.toLowerCase()
  throw invalid(
    `the media type ${mediaType.slice(0, 200)} is not taken: this registry takes OCI image manifests and indexes, docker manifests of schema 2 and manifest lists`,
  )
}

function link(of: Descriptor, kind: ManifestLink['kind']): ManifestLink {
  const { digest, size, mediaType } = of
  return { digest, size, kind, required: !isNonDistributable(mediaType) }
}

function unique(links: readonly ManifestLink[]): ManifestLink[] {
  const byDigest = new Map<string, ManifestLink>()
  for (const each of links) {
    const known = byDigest.get(each.digest)
    if (known === undefined) byDigest.set(each.digest, each)
    else {
      if (known.size !== each.size)
        throw invalid(
          `${each.digest} is named with two sizes: ${known.size} and ${counted(each.size, 'byte')}`,
        )
      const required = known.required || each.required
      // A manifest can be fetched as a blob too, a blob not as a manifest.
      const kind = each.kind === 'manifest' ? each.kind : known.kind
      byDigest.set(each.digest, { ...known, kind, required })
    }
  }
  return [...byDigest.values()]
}

function descriptors(value: unknown, where: string): Descriptor[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid(`"${where}" must be a list`)
  if (value.length > descriptorLimit) throw tooMany(`descriptors in "${where}"`, descriptorLimit)
  return value.map((each, index) => descriptor(each, `${where}[${index}]`))
}

function descriptor(value: unknown, where: string): Descriptor {
  const fields = asFields(value, `"${where}"`)
  const { digest, size, mediaType } = fields
  if (typeof digest !== 'string' || !isDigest(digest)) {
    throw invalid(`"${where}.digest" must be a sha256 or sha512 digest`)
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`"${where}.size" must be a whole number of bytes`)
  }
  if (typeof mediaType !== 'string' || mediaType === '' || mediaType.length > mediaTypeLimit)
    throw invalid(`"${where}.mediaType" must be a media type of at most ${mediaTypeLimit} characters`)
  const platform = fields['platform']
  return {
    mediaType,
    digest,
    size,
    artifactType: optionalType(fields['artifactType'], `${where}.artifactType`),
    annotations: annotations(fields['annotations'], `${where}.annotations`),
    platform:
      platform === undefined || platform === null ? undefined : asFields(platform, `"${where}.platform"`),
  }
}

function annotations(value: unknown, where: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined
  const fields = asFields(value, `"${where}"`)
  // Values first, without their names: there may be tens of thousands.
  if (!Object.values(fields).every((text) => typeof text === 'string')) {
    const name = Object.keys(fields).find((each) => typeof fields[each] !== 'string') ?? ''
    throw invalid(`"${where}": the value of "${name.slice(0, 100)}" must be a string`)
  }
  return fields as Record<string, string>
}

function optionalText(value: unknown, where: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string') throw invalid(`"${where}" must be a string`)
  return value
}

function optionalType(value: unknown, where: string): string | undefined {
  const type = optionalText(value, where)
  if (type === undefined || type.length <= mediaTypeLimit) return type
  throw invalid(`"${where}" must be a media type of at most ${mediaTypeLimit} characters`)
}

function asFields(value: unknown, where: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw invalid(`${where} must be an object`)
}
