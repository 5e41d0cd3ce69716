import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AuditLines } from '../../audit/audit-store.ts'
import { contentPulls } from '../../audit/content-pulls.ts'
import type { MetadataStore } from '../../metadata/metadata-store.ts'
import { isDigest, type Digest } from '../../oci/digest.ts'
import { parseManifestInTurns, type Manifest } from '../../oci/manifest.ts'
import { isIndexType } from '../../oci/media-types.ts'
import { OciError } from '../../oci/oci-error.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Coverage, CoverageHolder, CoveragePull, SameImage } from '../../policy-store/policy-coverage.ts'
import { UserError } from '../../user-error.ts'
import { tagsByManifest } from './tags-by-manifest.ts'

export interface CoverageSources {
  readonly metadata: Pick<MetadataStore, 'contents' | 'findManifest' | 'listTags'>
  /** Undefined where nothing is audited. */
  readonly audit: AuditLines | undefined
  readonly now: () => number
}

/** `CoverageRequest` as it came. Throws UserError REQUEST_INVALID. */
export function coveredDigest(body: string): Digest {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    value = undefined
  }
  if (typeof value === 'object' && value !== null && 'digest' in value) {
    const { digest } = value
    if (typeof digest === 'string' && isDigest(digest)) return digest
  }
  throw new UserError('REQUEST_INVALID', 'the server does not understand the request', {
    hint: 'Are the server and this command of the same version?',
  })
}

/** What a digest is in the registry, what holds it, and who has it. Rejects when the signal fires. */
export async function coverageOf(
  digest: Digest,
  sources: CoverageSources,
  signal?: AbortSignal,
): Promise<Coverage> {
  const { metadata, audit } = sources
  const twin = await metadata.contents.twinOf(digest)
  const roots = twin === undefined ? [digest] : [digest, twin]
  const held = await holdersOf(metadata, roots)
  const again = await sameImages(metadata, held.holders)
  const tags = await tagsByManifest(metadata, [...new Set(held.holders.map(({ repository }) => repository))])
  const holders = held.holders.map((holder) => ({ ...holder, tags: tags.of(holder) }))
  const digests = new Set([...roots, ...holders.map(({ manifest }) => manifest)])
  const since = sources.now() - auditedDays * 86_400_000
  signal?.throwIfAborted()
  const pulls = audit === undefined ? undefined : await pullsOf(audit, digests, since, signal)
  return {
    digest,
    holders,
    again: again.images,
    pulls: pulls?.slice(0, mostPulls),
    isComplete: held.isComplete && again.isComplete && tags.isComplete && (pulls?.length ?? 0) <= mostPulls,
  }
}

type Holder = Omit<CoverageHolder, 'tags' | 'repository'> & { readonly repository: RepositoryName }
type Metadata = CoverageSources['metadata']

const mostHolders = 1000
const mostPulls = 1000
/** Images that are compared with others. */
const mostCompared = 100
const pageSize = 200
const auditedDays = 30

async function holdersOf(
  { contents }: Metadata,
  roots: readonly Digest[],
): Promise<{ readonly holders: readonly Holder[]; readonly isComplete: boolean }> {
  const holders: Holder[] = []
  const seen = new Set<Digest>(roots)
  const queue = [...roots]
  for (let through = queue.shift(); through !== undefined; through = queue.shift()) {
    let after: string | undefined
    do {
      const page = await contents.holders(through, { after, limit: pageSize })
      for (const { repository, digest, mediaType, kind } of page.items) {
        // What was found as a parent is listed as that.
        if (kind === 'self' && !roots.includes(through)) continue
        if (holders.length === mostHolders) return { holders, isComplete: false }
        holders.push({ repository, manifest: digest, mediaType, as: kind, through })
        if (seen.has(digest)) continue
        seen.add(digest)
        queue.push(digest)
      }
      after = page.next
    } while (after !== undefined)
  }
  return { holders, isComplete: true }
}

/** Manifests that are not among `holders` and have the config or the layers of one that is. */
async function sameImages(
  metadata: Metadata,
  holders: readonly Holder[],
): Promise<{ readonly images: readonly SameImage[]; readonly isComplete: boolean }> {
  const covered = new Set(holders.map(({ manifest }) => manifest))
  const images = new Map<string, SameImage>()
  const compared = new Set<Digest>()
  for (const { repository, manifest: digest, mediaType } of holders) {
    if (isIndexType(mediaType) || compared.has(digest)) continue
    if (compared.size === mostCompared || images.size >= mostHolders)
      return { images: [...images.values()], isComplete: false }
    compared.add(digest)
    const manifest = await manifestOf(metadata, repository, digest)
    const [layer] = manifest?.layers ?? []
    const { config } = manifest ?? {}
    if (manifest === undefined || config === undefined || layer === undefined) continue
    // The empty config of an artifact is shared by all artifacts.
    const byConfig = isEmpty(config) ? [] : await namers(metadata, config.digest, 'config')
    const byLayer = isEmpty(layer) ? [] : await namers(metadata, layer.digest, 'layer')
    for (const [shares, found] of [
      ['config', byConfig],
      ['layers', byLayer],
    ] as const)
      // prettier-ignore
      for (const other of found) {
        const key = `${other.repository}@${other.digest}`
        if (covered.has(other.digest) || images.has(key)) continue
        if (shares === 'layers') {
          const its = await manifestOf(metadata, other.repository, other.digest)
          if (its === undefined || layerText(its) !== layerText(manifest)) continue
        }
        images.set(key, { repository: other.repository, manifest: other.digest, shares, with: digest })
      }
  }
  return { images: [...images.values()], isComplete: true }
}

async function namers(
  { contents }: Metadata,
  digest: Digest,
  kind: 'config' | 'layer',
): Promise<readonly { readonly repository: RepositoryName; readonly digest: Digest }[]> {
  const found: { readonly repository: RepositoryName; readonly digest: Digest }[] = []
  let after: string | undefined
  do {
    const page = await contents.holders(digest, { after, limit: pageSize })
    found.push(...page.items.filter((holder) => holder.kind === kind))
    after = page.next
  } while (after !== undefined && found.length < mostHolders)
  return found
}

/** Undefined: it is gone, or older than the checks of today. */
async function manifestOf(
  metadata: Metadata,
  repository: RepositoryName,
  digest: Digest,
): Promise<Manifest | undefined> {
  const record = await metadata.findManifest(repository, digest)
  if (record === undefined) return undefined
  try {
    return await parseManifestInTurns(record.body, record.mediaType, nextTurn)
  } catch (error) {
    if (error instanceof OciError) return undefined
    throw error
  }
}

function layerText({ layers }: Manifest): string {
  return layers.map(({ digest }) => digest).join(' ')
}

/** `{}`, the empty descriptor of image-spec. */
function isEmpty({ size }: { readonly size: number }): boolean {
  return size <= 2
}

/** One entry per user, repository and digest, latest first. */
async function pullsOf(
  audit: AuditLines,
  digests: ReadonlySet<string>,
  since: number,
  signal: AbortSignal | undefined,
): Promise<CoveragePull[]> {
  const pulls = new Map<string, CoveragePull>()
  for await (const { time, data } of contentPulls(audit, digests, since, signal)) {
    const { actor, repository = '', digest, reference, client, count = 1 } = data
    if (digest === undefined || !isDigest(digest)) continue
    const user = actor?.user ?? ''
    const key = JSON.stringify([user, repository, digest])
    const known = pulls.get(key)
    const last = typeof data['lastTime'] === 'string' ? data['lastTime'] : time
    const latest = known !== undefined && known.last > last ? known : { reference, client: client?.ip, last }
    pulls.set(key, { user, repository, digest, ...latest, count: count + (known?.count ?? 0) })
  }
  return [...pulls.values()].sort((a, b) => (a.last > b.last ? -1 : 1))
}
