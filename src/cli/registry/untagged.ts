import type { Digest } from '../../oci/digest.ts'
import { isIndexType } from '../../oci/media-types.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { RegistryClient, RemoteUntagged } from '../../upstream/registry-client.ts'
import { UserError } from '../../user-error.ts'
import { humanSize, printDuration } from '../../settings/quantities.ts'
import { printTable } from './table.ts'

/** Throws UserError NOT_FOUND for a repository that is not there, UNTAGGED_UNKNOWN for a registry that cannot tell. */
export async function listUntagged(
  client: RegistryClient,
  repository: RepositoryName,
): Promise<RemoteUntagged> {
  const found = await client.untagged(repository)
  if (found !== undefined) return found
  if ((await client.tags(repository)) === undefined) throw noRepository(repository)
  throw new UserError('UNTAGGED_UNKNOWN', 'this registry does not tell which manifests have no tag', {
    hint: 'It is not trow, or an older one.',
  })
}

export function noRepository(repository: RepositoryName): UserError {
  return new UserError('NOT_FOUND', `there is no repository ${repository}`, {
    hint: 'trow list shows all of them.',
  })
}

export function untaggedTable({ manifests }: RemoteUntagged, now: number): string {
  const rows = manifests.map(({ digest, mediaType, artifactType, untaggedSince, frees, children }) => [
    digest,
    frees === undefined ? '-' : humanSize(frees),
    age(now - Date.parse(untaggedSince)),
    typeWord(mediaType, artifactType, children),
  ])
  return printTable([['DIGEST', 'FREES', 'UNTAGGED FOR', 'TYPE'], ...rows])
}

/** What becomes of them; `place` is the repository as the person writes it. */
export function untaggedFate(
  repository: RepositoryName,
  place: string,
  { expireAfter }: RemoteUntagged,
): string {
  const removes = `trow rm ${place}@DIGEST removes one`
  if (expireAfter === undefined)
    return `no rule of \`untagged\` is set for ${repository}: they stay, and ${removes}\n`
  return `trow gc takes them after ${printDuration(expireAfter)} (a rule of \`untagged\`); ${removes} before\n`
}

/** What became of the manifest that a tag was taken from; `undefined`: it is there, and the registry says no more. */
export function manifestKept(
  {
    repository,
    place,
    digest,
  }: { readonly repository: RepositoryName; readonly place: string; readonly digest: Digest },
  found: RemoteUntagged | undefined,
): string {
  if (found === undefined)
    return `  the manifest is kept: trow rm ${place}@${digest} removes it where nothing needs it\n`
  const [manifest] = found.manifests
  if (manifest === undefined) return '  the manifest is kept: another tag, an index or its subject needs it\n'
  const { expireAfter } = found
  const until = expireAfter === undefined ? undefined : Date.parse(manifest.untaggedSince) + expireAfter
  const why =
    until === undefined
      ? `no rule of \`untagged\` is set for ${repository}`
      : `trow gc takes it after ${printDuration(expireAfter ?? 0)}, ${new Date(until).toISOString()}`
  const frees = manifest.frees === undefined ? '' : ` and frees ${humanSize(manifest.frees)}`
  const { children = 0 } = manifest
  const beside = children > 0 ? `; the ${children} manifests of this index stay then` : ''
  return `  the manifest is kept: ${why}\n  trow rm ${place}@${digest} removes it${frees}${beside}\n`
}

function typeWord(mediaType: string, artifactType = mediaType, children: number | undefined): string {
  if (isIndexType(mediaType)) return `index of ${children ?? 'many'}`
  // What an image manifest without a type has is that of its config.
  return /\.image\.(config\.)?v1\+json$|\.container\.image\.v1\+json$/.test(artifactType)
    ? 'image'
    : artifactType
}

function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  if (seconds < 120) return `${seconds}s`
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}
