import { counted } from '../../counted.ts'
import type { Digest } from '../../oci/digest.ts'
import { isIndexType } from '../../oci/media-types.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { RegistryClient, RemoteUntagged } from '../../upstream/registry-client.ts'
import { UserError } from '../../user-error.ts'
import { humanSize, printDuration } from '../../settings/quantities.ts'
import type { Output } from '../result/output.ts'
import { printList, printResult } from '../result/print-result.ts'
import type { Terminal } from '../streams.ts'
import { lookOf, printTable, type Look } from '../table.ts'

/** Throws UserError NOT_FOUND, UNTAGGED_UNKNOWN. */
export async function printUntagged(
  client: RegistryClient,
  { repository, place }: { readonly repository: RepositoryName; readonly place: string },
  { output, trunc }: { readonly output: Output; readonly trunc: boolean },
  terminal: Terminal,
): Promise<void> {
  const { stdout, stderr, env } = terminal
  const found = await listUntagged(client, repository)
  const items = found.manifests.map((manifest) => ({ repository, ...manifest }))
  if (output === 'json' || output === 'yaml') {
    const expireAfterSeconds = found.expireAfter === undefined ? undefined : found.expireAfter / 1000
    return printResult('UntaggedManifestList', { expireAfterSeconds, items }, output, terminal)
  }
  if (output !== 'text') {
    const nameOf = ({ digest }: { readonly digest: string }): string => `${repository}@${digest}`
    return printList('UntaggedManifestList', items, { output, terminal, nameOf })
  }
  if (items.length === 0) stderr.write(`nothing in ${repository} is untagged\n`)
  else {
    stdout.write(untaggedTable(found, Date.now(), lookOf(stdout, env, { trunc })))
    stderr.write(untaggedFate(repository, place, found))
  }
}

/**
 * Throws UserError NOT_FOUND if there is no such repository, UNTAGGED_UNKNOWN if the registry does not
 * support the question.
 */
async function listUntagged(client: RegistryClient, repository: RepositoryName): Promise<RemoteUntagged> {
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

function untaggedTable({ manifests }: RemoteUntagged, now: number, look: Look): string {
  const rows = manifests.map(({ digest, mediaType, artifactType, untaggedSince, frees, children }) => [
    digest,
    frees === undefined ? '-' : humanSize(frees),
    age(now - Date.parse(untaggedSince)),
    typeWord(mediaType, artifactType, children),
  ])
  return printTable([['DIGEST', 'FREES', 'UNTAGGED FOR', 'TYPE'], ...rows], look)
}

/** Returns what will happen to them. `place` is the repository as the user wrote it. */
function untaggedFate(repository: RepositoryName, place: string, { expireAfter }: RemoteUntagged): string {
  const removes = `trow rm ${place}@DIGEST removes one`
  if (expireAfter === undefined)
    return `no rule of \`untagged\` is set for ${repository}: they stay, and ${removes}\n`
  return `trow gc takes them after ${printDuration(expireAfter)} (a rule of \`untagged\`); ${removes} before\n`
}

/**
 * Returns what happens to the manifest of a deleted tag. `undefined` means that the manifest exists and the
 * registry gives no more information.
 */
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
  const until = expiryOf(found)
  const why =
    until === undefined
      ? `no rule of \`untagged\` is set for ${repository}`
      : `trow gc takes it after ${printDuration(expireAfter ?? 0)}, ${new Date(until).toISOString()}`
  const frees = manifest.frees === undefined ? '' : ` and frees ${humanSize(manifest.frees)}`
  const { children = 0 } = manifest
  const beside =
    children > 0
      ? `; ${counted(children, 'manifest')} of this index ${children === 1 ? 'stays' : 'stay'} then`
      : ''
  return `  the manifest is kept: ${why}\n  trow rm ${place}@${digest} removes it${frees}${beside}\n`
}

/** Returns when a rule removes the one manifest that was asked for. */
export function expiryOf({ expireAfter, manifests: [manifest] }: RemoteUntagged): number | undefined {
  if (expireAfter === undefined || manifest === undefined) return undefined
  return Date.parse(manifest.untaggedSince) + expireAfter
}

function typeWord(mediaType: string, artifactType = mediaType, children: number | undefined): string {
  if (isIndexType(mediaType)) return `index of ${children ?? 'many'}`
  // An image manifest without an artifact type has the media type of its config.
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
