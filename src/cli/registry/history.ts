import { isDigest, type Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Reference } from '../../oci/tag.ts'
import type { RegistryClient, RemoteSeen, RemoteTarget } from '../../upstream/registry-client.ts'

/** Members are undefined where the registry does not tell: it is not trow, or an older one. */
export interface History {
  readonly firstSeen: RemoteSeen | undefined
  /** Of the tag that was asked for, latest first. */
  readonly targets: readonly RemoteTarget[] | undefined
}

export async function loadHistory(
  client: RegistryClient,
  {
    repository,
    reference,
    digest,
  }: { readonly repository: RepositoryName; readonly reference: Reference; readonly digest: Digest },
): Promise<History> {
  const firstSeen = await client.firstSeen(repository, digest)
  const targets = isDigest(reference) ? undefined : await client.targets(repository, reference)
  return { firstSeen, targets }
}

/** Earlier targets of a tag that are printed; `-o json` has all of them. */
const mostPrinted = 10

export function historyLines({ firstSeen, targets = [] }: History): string[] {
  const [now, ...before] = targets
  return [
    ...(firstSeen === undefined ? [] : [`  first seen  ${since(firstSeen)}${pusher(firstSeen)}`]),
    ...(now === undefined ? [] : [`  tagged      ${since(now)}${pusher(now)}`]),
    ...before.slice(0, mostPrinted).map((target) => `  before      ${target.digest}  ${period(target)}`),
    ...(before.length > mostPrinted
      ? [`  before      ${before.length - mostPrinted} more: -o json shows them`]
      : []),
  ]
}

function period(target: RemoteTarget): string {
  const { until = '', end } = target
  return `${since(target)} to ${until}${end === 'removed' ? ' (tag removed)' : ''}${pusher(target)}`
}

function since({ since: time, atLatest }: RemoteSeen): string {
  return atLatest ? `${time} at the latest` : time
}

function pusher({ pusher: name }: RemoteSeen): string {
  return name === undefined ? '' : `, pushed by ${name}`
}
