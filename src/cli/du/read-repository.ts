import pLimit from 'p-limit'
import type { Digest } from '../../oci/digest.ts'
import { parseManifest, type Manifest } from '../../oci/manifest.ts'
import { isManifestType, isNonDistributable } from '../../oci/media-types.ts'
import { OciError } from '../../oci/oci-error.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import { parseTag, type Reference } from '../../oci/tag.ts'
import type { RegistryClient, RemoteManifest } from '../../upstream/registry-client.ts'
import { noRepository } from '../registry/untagged.ts'
import type { ContentGraph } from './content-graph.ts'

/** Requests that wait for an answer. */
const concurrency = 8

export interface TagOf {
  readonly tag: string
  readonly digest: Digest
}

/** What a repository holds. */
export interface RepositoryContent {
  readonly tags: readonly TagOf[]
  /** Manifests that no tag, no index and no subject needs, where the registry tells them. */
  readonly untagged: readonly Digest[]
  readonly manifests: ReadonlySet<Digest>
  /** Digests of the indexes that list a manifest. */
  readonly indexesOf: ReadonlyMap<Digest, Digest>
}

/**
 * Reads the manifests of a repository into the graph; no blob is read. A manifest that is gone meanwhile, or that
 * cannot be read, counts for nothing. Throws UserError NOT_FOUND; UpstreamFault.
 */
export async function readRepository(
  client: RegistryClient,
  repository: RepositoryName,
  graph: ContentGraph,
): Promise<RepositoryContent> {
  const limit = pLimit(concurrency)
  const [names, untagged] = await Promise.all([client.tags(repository), client.untagged(repository)])
  if (names === undefined) throw noRepository(repository)
  /** What is read, or being read. */
  const seen = new Set<Digest>()
  const manifests = new Set<Digest>()
  const indexesOf = new Map<Digest, Digest>()
  const tags: TagOf[] = []
  // Nothing waits for what it keeps: a referrer may list its own subject.
  const open: Promise<void>[] = []
  const begin = (task: Promise<void>): void => {
    task.catch(() => undefined)
    open.push(task)
  }
  const get = (reference: Reference): Promise<RemoteManifest | undefined> =>
    limit(() => client.manifest(repository, reference))
  const visit = async (found: RemoteManifest): Promise<void> => {
    const { digest, body } = found
    if (manifests.has(digest)) return
    manifests.add(digest)
    seen.add(digest)
    const { children, blobs } = partsOf(parsed(found))
    const referrers = (await limit(() => client.referrers(repository, digest))).map((each) => each.digest)
    for (const blob of blobs) graph.add(blob.digest, { size: blob.size, keeps: [] })
    const keeps = [...children, ...referrers, ...blobs.map((each) => each.digest)]
    graph.add(digest, { size: body.byteLength, keeps })
    for (const child of children) indexesOf.set(child, digest)
    for (const below of [...children, ...referrers]) begin(visitDigest(below))
  }
  const visitDigest = async (digest: Digest): Promise<void> => {
    if (seen.has(digest)) return
    seen.add(digest)
    const found = await get(digest)
    if (found !== undefined) await visit(found)
  }
  const visitTag = async (tag: string): Promise<void> => {
    const found = await get(parseTag(tag))
    if (found === undefined) return
    tags.push({ tag, digest: found.digest })
    await visit(found)
  }
  const alone = (untagged?.manifests ?? []).map(({ digest }) => digest)
  for (const tag of names) begin(visitTag(tag))
  for (const digest of alone) begin(visitDigest(digest))
  // The list grows meanwhile.
  for (let at = 0; at < open.length; at++) await open[at]
  const order = new Map(names.map((name, place) => [name, place]))
  tags.sort((one, other) => (order.get(one.tag) ?? 0) - (order.get(other.tag) ?? 0))
  return { tags, untagged: alone.filter((digest) => manifests.has(digest)), manifests, indexesOf }
}

function parsed({ body, mediaType }: RemoteManifest): Manifest | undefined {
  try {
    return parseManifest(body, mediaType)
  } catch (error) {
    if (error instanceof OciError) return undefined
    throw error
  }
}

function partsOf(manifest: Manifest | undefined): {
  readonly children: readonly Digest[]
  readonly blobs: readonly { readonly digest: Digest; readonly size: number }[]
} {
  if (manifest === undefined) return { children: [], blobs: [] }
  const { config, layers, manifests } = manifest
  const blobs = [
    ...(config === undefined ? [] : [config]),
    ...layers.filter(({ mediaType }) => !isNonDistributable(mediaType)),
    // BuildKit's cache lists layers as if they were manifests.
    ...manifests.filter(({ mediaType }) => !isManifestType(mediaType)),
  ]
  const children = manifests.filter(({ mediaType }) => isManifestType(mediaType)).map(({ digest }) => digest)
  return { children, blobs }
}
