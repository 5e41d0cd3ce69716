import { randomBytes } from 'node:crypto'
import { digestOf, type Algorithm } from './connection.ts'

export const types = {
  image: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  plainLayer: 'application/vnd.oci.image.layer.v1.tar',
  foreignLayer: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  empty: 'application/vnd.oci.empty.v1+json',
} as const

export interface Content {
  readonly bytes: Buffer
  readonly digest: string
}

export interface ManifestContent extends Content {
  readonly mediaType: string
  readonly artifactType: string | undefined
  readonly annotations: Readonly<Record<string, string>> | undefined
  readonly subject: string | undefined
}

/** Blobs and manifests in the order in which they must be pushed. */
export interface DataSet {
  readonly name: string
  readonly blobs: Content[]
  readonly manifests: ManifestContent[]
  readonly tags: Map<string, ManifestContent>
  /** The subject whose referrers are listed. */
  readonly subject?: string
  /** Tags are set by `?tag=` on the push of this manifest. */
  readonly tagParameter?: ManifestContent
  readonly sparse?: boolean
}

interface Fields {
  readonly [name: string]: unknown
}

/** Makes the content of one data set; the same bytes are one blob. */
class Builder {
  readonly blobs: Content[] = []
  readonly manifests: ManifestContent[] = []
  readonly #algorithm: Algorithm

  constructor(algorithm: Algorithm = 'sha256') {
    this.#algorithm = algorithm
  }

  /** A descriptor of a new blob, or of one that is there already. */
  blob(mediaType: string, bytes: Buffer = randomBytes(300), push = true): Fields {
    const digest = digestOf(bytes, this.#algorithm)
    if (push && !this.blobs.some((blob) => blob.digest === digest)) this.blobs.push({ bytes, digest })
    return { mediaType, digest, size: bytes.length }
  }

  image(extra: Fields = {}, { layers = 2, layerType = types.layer as string } = {}): ManifestContent {
    const config = this.blob(
      types.config,
      Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', id: nonce() })),
    )
    const list = Array.from({ length: layers }, () => this.blob(layerType))
    return this.manifest({ mediaType: types.image, config, layers: list, ...extra })
  }

  artifact(extra: Fields = {}, layers = 1): ManifestContent {
    const config = this.blob(types.empty, Buffer.from('{}'))
    const list = Array.from({ length: layers }, () => this.blob('application/vnd.example.data'))
    return this.manifest({
      mediaType: types.image,
      artifactType: 'application/vnd.example.artifact',
      config,
      layers: list,
      ...extra,
    })
  }

  index(children: readonly ManifestContent[], extra: Fields = {}): ManifestContent {
    return this.manifest({ mediaType: types.index, manifests: children.map(descriptorOf), ...extra })
  }

  manifest(fields: Fields, push = true): ManifestContent {
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        ...fields,
        annotations: fields['annotations'] ?? { nonce: nonce() },
      }),
    )
    const { annotations } = JSON.parse(bytes.toString()) as { annotations: Record<string, string> }
    const config = fields['config'] as { mediaType: string } | undefined
    const manifest = {
      bytes,
      digest: digestOf(bytes, this.#algorithm),
      mediaType: fields['mediaType'] as string,
      artifactType: (fields['artifactType'] as string | undefined) ?? config?.mediaType,
      annotations,
      subject: (fields['subject'] as { digest: string } | undefined)?.digest,
    }
    if (push) this.manifests.push(manifest)
    return manifest
  }
}

export function descriptorOf({ mediaType, digest, bytes }: ManifestContent): Fields {
  return { mediaType, digest, size: bytes.length, platform: { architecture: 'amd64', os: 'linux' } }
}

function nonce(): string {
  return randomBytes(8).toString('hex')
}

function finish(
  name: string,
  builder: Builder,
  tags: Readonly<Record<string, ManifestContent>>,
  extra: Partial<DataSet> = {},
): DataSet {
  const { blobs, manifests } = builder
  return { name, blobs, manifests, tags: new Map(Object.entries(tags)), ...extra }
}

/** All data sets, each of content of its own. */
export function dataSets(): DataSet[] {
  return [
    ...images(),
    ...indexes(),
    ...artifacts(),
    ...subjects(),
    sparse(),
    sha512(),
    tagParameter('sha256'),
    tagParameter('sha512'),
  ]
}

function images(): DataSet[] {
  const plain = (name: string, run: (builder: Builder) => ManifestContent): DataSet => {
    const builder = new Builder()
    return finish(name, builder, { [name]: run(builder) })
  }
  return [
    plain('image', (builder) => builder.image()),
    plain('image-uncompressed', (builder) => builder.image({}, { layerType: types.plainLayer })),
    plain('large-manifest', (builder) => builder.image({ annotations: { large: 'x'.repeat(3_900_000) } })),
    plain('data-field', (builder) => {
      const bytes = Buffer.from(JSON.stringify({ data: nonce() }))
      const config = { ...builder.blob(types.config, bytes), data: bytes.toString('base64') }
      const layers = [builder.blob(types.layer), builder.blob(types.layer)]
      return builder.manifest({ mediaType: types.image, config, layers })
    }),
    plain('non-distributable-layers', (builder) => {
      const layers = [builder.blob(types.foreignLayer, randomBytes(200), false), builder.blob(types.layer)]
      return builder.manifest({ mediaType: types.image, config: builder.blob(types.config), layers })
    }),
    plain('no-layers', (builder) => builder.image({}, { layers: 0 })),
  ]
}

function indexes(): DataSet[] {
  const index = new Builder()
  const indexRoot = index.index([index.image(), index.image()])
  const custom = new Builder()
  const extra = { 'org.example.custom': { deep: ['fields', 1, null] } }
  const customRoot = custom.index([custom.image(extra), custom.image(extra)], extra)
  const nested = new Builder()
  const left = nested.index([nested.image(), nested.image()])
  const right = nested.index([nested.image({}, { layers: 1 }), nested.image({}, { layers: 1 })])
  const nestedRoot = nested.index([left, right])
  const empty = new Builder()
  return [
    finish('index', index, { index: indexRoot }),
    finish('custom-fields', custom, { custom: customRoot }),
    finish('nested-index', nested, { nested: nestedRoot }),
    finish('empty-index', empty, { empty: empty.index([]) }),
  ]
}

function artifacts(): DataSet[] {
  const artifact = new Builder()
  const index = new Builder()
  const without = new Builder()
  return [
    finish('artifact', artifact, { artifact: artifact.artifact() }),
    finish('artifact-index', index, {
      artifacts: index.index([index.artifact(), index.artifact()], {
        artifactType: 'application/vnd.example.index',
      }),
    }),
    finish('artifact-without-layers', without, { bare: without.artifact({}, 0) }),
  ]
}

function subjects(): DataSet[] {
  const plain = new Builder()
  const image = plain.image()
  const subject = descriptorOf(image)
  const first = plain.artifact({ subject })
  const second = plain.artifact({ subject, artifactType: 'application/vnd.example.other' })
  plain.artifact({ subject }, 2)
  const nested = new Builder()
  const root = nested.index([nested.image(), nested.image()])
  const about = descriptorOf(root)
  const signature = nested.artifact({ subject: about })
  nested.artifact({ subject: about, artifactType: 'application/vnd.example.other' })
  nested.index([], { subject: about, artifactType: 'application/vnd.example.index' })
  const missing = new Builder()
  const absent = missing.manifest({ mediaType: types.image, config: {}, layers: [] }, false)
  const orphan = missing.artifact({ subject: descriptorOf(absent) })
  return [
    finish('artifacts-with-subject', plain, { image, first, second }, { subject: image.digest }),
    finish('index-with-subject', nested, { root, signature }, { subject: root.digest }),
    finish('missing-subject', missing, { orphan }, { subject: absent.digest }),
  ]
}

/** An image whose second layer, and an index whose second platform, was never pushed. */
function sparse(): DataSet {
  const builder = new Builder()
  const config = builder.blob(types.config)
  const thin = builder.manifest({
    mediaType: types.image,
    config,
    layers: [builder.blob(types.layer), builder.blob(types.layer, randomBytes(300), false)],
  })
  const whole = builder.manifest({
    mediaType: types.image,
    config: builder.blob(types.config),
    layers: [builder.blob(types.layer)],
  })
  const absent = builder.manifest({ mediaType: types.image, config, layers: [] }, false)
  const index = builder.index([whole, absent])
  return finish('sparse', builder, { thin, index }, { sparse: true })
}

function sha512(): DataSet {
  const builder = new Builder('sha512')
  builder.index([builder.image(), builder.image()])
  return finish('sha512', builder, {})
}

function tagParameter(algorithm: Algorithm): DataSet {
  const builder = new Builder(algorithm)
  const root = builder.index([builder.image(), builder.image()])
  const tags = Object.fromEntries(['one', 'two', 'three', 'four'].map((tag) => [`${algorithm}-${tag}`, root]))
  return finish(`tag-param-${algorithm}`, builder, tags, { tagParameter: root })
}

/** An image that is pushed under a digest that is not its own. */
export function badDigestImage(): DataSet {
  const builder = new Builder()
  builder.image()
  return finish('bad-digest-image', builder, {})
}
