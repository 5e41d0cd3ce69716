import { Unanswered, type Answer, type Client } from './http-client.ts'
import {
  applyChange,
  newRepository,
  randomBytesOf,
  sha256,
  type KnownManifest,
  type PendingChange,
  type RepositoryModel,
} from './model.ts'
import { octets, pushBlob, pushWays, type PushWay } from './push-blob.ts'

const imageType = 'application/vnd.oci.image.manifest.v1+json'
const indexType = 'application/vnd.oci.image.index.v1+json'

/** Thrown by the load when a reply breaks a promise. */
export class PromiseBroken extends Error {}

interface KnownLayer {
  readonly digest: string
  readonly size: number
  readonly repository: string
}

export interface LoadCounts {
  acknowledged: number
  reads: number
  /** Replies that say that a blob was collected meanwhile: legal, not acknowledged. */
  refused: number
}

export interface LaneOptions {
  /** Share of the layers that have 9 to 20 MB, which are several parts in a bucket; 0 unless told. */
  readonly large?: number
  /** Pushes a blob until it is answered; once unless told. */
  readonly persist?: (push: () => Promise<boolean>) => Promise<boolean>
}

/**
 * One lane of mixed load: pushes of every kind, tag moves, indexes, referrers, mounts, deletions and
 * checked pulls in two repositories of its own, one request at a time.
 */
export class Lane {
  readonly repositories: readonly [RepositoryModel, RepositoryModel]
  readonly counts: LoadCounts = { acknowledged: 0, reads: 0, refused: 0 }
  readonly #random: () => number
  readonly #large: number
  readonly #persist: NonNullable<LaneOptions['persist']>
  #layers: KnownLayer[] = []

  constructor(number: number, random: () => number, options: LaneOptions = {}) {
    this.#large = options.large ?? 0
    this.#persist = options.persist ?? ((push) => push())
    this.repositories = [newRepository(`crash/lane-${number}/a`), newRepository(`crash/lane-${number}/b`)]
    this.#random = random
  }

  /** Runs until the server stops answering or `until()` returns true. */
  async run(client: Client, until: () => boolean): Promise<void> {
    try {
      while (!until()) await this.#step(client)
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error
    }
  }

  async #step(client: Client): Promise<void> {
    const repository = this.repositories[this.#pick(2)] as RepositoryModel
    const dice = this.#random()
    if (repository.manifests.size < 3 || dice < 0.5) return this.#pushImage(client, repository)
    if (dice < 0.58) return this.#pushIndex(client, repository)
    if (dice < 0.66) return this.#pushReferrer(client, repository)
    if (dice < 0.72) return this.#deleteTag(client, repository)
    if (dice < 0.8 || (repository.manifests.size > 25 && dice < 0.9))
      return this.#deleteManifest(client, repository)
    return this.#pull(client, repository)
  }

  async #pushImage(client: Client, repository: RepositoryModel): Promise<void> {
    const config = randomBytesOf(this.#random, 200 + this.#pick(700))
    const blobs = [sha256(config)]
    if (!(await this.#pushBlob(client, repository, config))) return
    const layers = []
    for (let i = 0; i <= this.#pick(2); i++) {
      const known = this.#layers[this.#pick(this.#layers.length)]
      if (known && this.#random() < 0.3) {
        if (await this.#mount(client, repository, known))
          layers.push({ mediaType: octets, digest: known.digest, size: known.size })
        continue
      }
      const layer = randomBytesOf(this.#random, this.#layerSize())
      if (!(await this.#pushBlob(client, repository, layer))) return
      layers.push({ mediaType: octets, digest: sha256(layer), size: layer.byteLength })
      const pushed = { digest: sha256(layer), size: layer.byteLength, repository: repository.name }
      this.#layers = [pushed, ...this.#layers].slice(0, 8)
    }
    const document = {
      schemaVersion: 2,
      mediaType: imageType,
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: blobs[0],
        size: config.byteLength,
      },
      layers,
    }
    for (const layer of layers) blobs.push(layer.digest)
    await this.#putManifest(client, repository, document, { blobs, children: [], subject: undefined })
  }

  #layerSize(): number {
    if (this.#large > 0 && this.#random() < this.#large) return 9_000_000 + this.#pick(11_000_000)
    return this.#random() < 0.4 ? 1000 + this.#pick(31_000) : 33_000 + this.#pick(1_200_000)
  }

  async #pushIndex(client: Client, repository: RepositoryModel): Promise<void> {
    const digests = [...repository.manifests]
      .filter(([, m]) => m.mediaType === imageType)
      .map(([digest]) => digest)
    const children = [...new Set([this.#choose(digests), this.#choose(digests)])].filter(
      (d) => d !== undefined,
    )
    const document = {
      schemaVersion: 2,
      mediaType: indexType,
      manifests: children.map((digest) => ({
        mediaType: imageType,
        digest,
        size: repository.manifests.get(digest)?.size,
      })),
      annotations: { 'org.example.nonce': String(this.#random()) },
    }
    await this.#putManifest(client, repository, document, { blobs: [], children, subject: undefined })
  }

  async #pushReferrer(client: Client, repository: RepositoryModel): Promise<void> {
    const subject = this.#choose([...repository.manifests.keys()])
    if (subject === undefined) return
    const config = Buffer.from('{}')
    if (!(await this.#pushBlob(client, repository, config))) return
    const document = {
      schemaVersion: 2,
      mediaType: imageType,
      artifactType: 'application/vnd.example.signature',
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: sha256(config), size: 2 },
      layers: [],
      subject: {
        mediaType: repository.manifests.get(subject)?.mediaType,
        digest: subject,
        size: repository.manifests.get(subject)?.size,
      },
      annotations: { 'org.example.nonce': String(this.#random()) },
    }
    await this.#putManifest(client, repository, document, { blobs: [sha256(config)], children: [], subject })
  }

  async #putManifest(
    client: Client,
    repository: RepositoryModel,
    document: object,
    links: Pick<KnownManifest, 'blobs' | 'children' | 'subject'>,
  ): Promise<void> {
    const mediaType = (document as { mediaType: string }).mediaType
    const body = Buffer.from(JSON.stringify(document))
    const digest = sha256(body)
    const several = this.#random() < 0.2
    const tags = several ? ['multi-a', 'multi-b'] : [`tag-${this.#pick(6)}`]
    const path = several ? `${digest}?tag=multi-a&tag=multi-b` : `${tags[0]}`
    await this.#change(
      repository,
      { kind: 'put', digest, manifest: { mediaType, size: body.length, ...links, fresh: true }, tags },
      () =>
        client.request('PUT', `/v2/${repository.name}/manifests/${path}`, {
          body,
          headers: { 'content-type': mediaType },
        }),
      201,
    )
  }

  async #deleteTag(client: Client, repository: RepositoryModel): Promise<void> {
    const tag = this.#choose([...repository.tags.keys()])
    if (tag === undefined) return
    await this.#change(
      repository,
      { kind: 'delete-tag', tag },
      () => client.request('DELETE', `/v2/${repository.name}/manifests/${tag}`),
      202,
    )
  }

  async #deleteManifest(client: Client, repository: RepositoryModel): Promise<void> {
    const children = new Set([...repository.manifests.values()].flatMap((m) => m.children))
    const digest = this.#choose([...repository.manifests.keys()].filter((d) => !children.has(d)))
    if (digest === undefined) return
    await this.#change(
      repository,
      { kind: 'delete-manifest', digest },
      () => client.request('DELETE', `/v2/${repository.name}/manifests/${digest}`),
      202,
    )
  }

  async #pull(client: Client, repository: RepositoryModel): Promise<void> {
    const tag = this.#choose([...repository.tags.keys()])
    if (tag === undefined) return
    const answer = await client.request('GET', `/v2/${repository.name}/manifests/${tag}`)
    this.counts.reads++
    if (answer.status === 503) return
    // The disk was shut down under the server: this reply proves nothing.
    if (answer.status >= 500) throw new Unanswered(`${answer.status} ${answer.body.toString()}`)
    if (answer.status !== 200 || sha256(answer.body) !== repository.tags.get(tag)) {
      throw new PromiseBroken(
        `${repository.name}:${tag} is ${answer.status} ${sha256(answer.body)}, last acknowledged ${repository.tags.get(tag)}`,
      )
    }
    await this.#pullBlob(client, repository, repository.tags.get(tag) as string)
  }

  async #pullBlob(client: Client, repository: RepositoryModel, manifest: string): Promise<void> {
    const blob = this.#choose(repository.manifests.get(manifest)?.blobs ?? [])
    if (blob === undefined) return
    const answer = await client.request('GET', `/v2/${repository.name}/blobs/${blob}`)
    this.counts.reads++
    if (answer.status >= 500) throw new Unanswered(`${answer.status} ${answer.body.toString()}`)
    if (answer.status !== 200 || sha256(answer.body) !== blob)
      throw new PromiseBroken(`${repository.name}: blob ${blob} of ${manifest} is ${answer.status}`)
  }

  /** Keeps the change pending until its reply comes: after a crash it may have taken effect or not. */
  async #change(
    repository: RepositoryModel,
    change: PendingChange,
    send: () => Promise<Answer>,
    success: number,
  ): Promise<void> {
    repository.pending = change
    const answer = await send()
    if (answer.status === success) {
      applyChange(repository, change, answer.at)
      this.counts.acknowledged++
    } else if (answer.status >= 500) {
      // A 503 or 507 may follow a commit that failed, and that is nevertheless found after the crash.
      throw new Unanswered(`${answer.status} ${answer.body.toString()}`)
    } else {
      this.counts.refused++
      if (change.kind !== 'put' && answer.status === 404) {
        throw new PromiseBroken(`${repository.name}: ${JSON.stringify(change)} answered 404`)
      }
    }
    repository.pending = undefined
  }

  async #mount(client: Client, repository: RepositoryModel, known: KnownLayer): Promise<boolean> {
    const path = `/v2/${repository.name}/blobs/uploads/?mount=${known.digest}&from=${encodeURIComponent(known.repository)}`
    return (await client.request('POST', path)).status === 201
  }

  /** Returns whether it was acknowledged. */
  #pushBlob(client: Client, repository: RepositoryModel, bytes: Buffer): Promise<boolean> {
    return this.#persist(async () => {
      const way = pushWays[this.#pick(pushWays.length)] as PushWay
      return this.#acknowledged(await pushBlob(client, repository.name, { bytes, way }))
    })
  }

  #acknowledged(answer: Answer): boolean {
    if (answer.status === 201) {
      this.counts.acknowledged++
      return true
    }
    if (answer.status >= 500) throw new Unanswered(`${answer.status} ${answer.body.toString()}`)
    this.counts.refused++
    return false
  }

  #pick(below: number): number {
    return Math.floor(this.#random() * below)
  }

  #choose<T>(items: readonly T[]): T | undefined {
    return items[this.#pick(items.length)]
  }
}
