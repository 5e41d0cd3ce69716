import { kubeContextNames } from '../../cluster/kubeconfig.ts'
import type { RegistryClient } from '../../upstream/registry-client.ts'
import { directWay } from '../way/direct-way.ts'
import { localServer } from '../way/local-server.ts'
import { parseNamed, splitImageName, type NamedTarget } from '../way/named-target.ts'
import { withClient } from '../way/with-way.ts'
import type { Terminal } from '../streams.ts'
import { flagsOf, type PlaceFlags } from './flags-of.ts'

/** More repositories are not read. */
const most = 2000

/**
 * Adds repositories to `found`, and tags after a repository and a colon. Each is added when it is known. Does not
 * ask a cluster, which takes longer than a person waits. Throws whatever goes wrong.
 */
export async function findReferences(
  found: string[],
  words: readonly string[],
  terminal: Terminal,
): Promise<void> {
  const current = words.at(-1) ?? ''
  const flags = flagsOf(words)
  const [, beforeTag] = /^(.*[^/:]):[\w.-]*$/.exec(current) ?? []
  const tagged = beforeTag === undefined ? undefined : targetOf(beforeTag, flags, terminal)
  if (tagged?.repository !== undefined) {
    const { repository } = tagged
    return await ask(tagged, flags, terminal, async (client) => {
      for (const tag of (await client.tags(repository)) ?? []) found.push(`${beforeTag}:${tag}`)
    })
  }
  const { host } = splitImageName(current)
  const prefix = host === undefined ? '' : `${host}/`
  await ask(targetOf(host ?? '', flags, terminal), flags, terminal, async (client) => {
    for await (const repository of client.repositories()) {
      if (found.push(`${prefix}${repository}`) >= most) return
    }
  })
}

function targetOf(name: string, flags: PlaceFlags, terminal: Terminal): NamedTarget {
  return parseNamed(name === '' ? undefined : name, flags, terminal)
}

async function ask(
  { registry }: NamedTarget,
  flags: PlaceFlags,
  terminal: Terminal,
  work: (client: RegistryClient) => Promise<void>,
): Promise<void> {
  const { env, cwd } = terminal
  // With a kubeconfig the command itself takes the registry in the cluster.
  if (registry === undefined && kubeContextNames({ env, cwd, kubeconfig: flags.kubeconfig }).length > 0)
    return
  const address = registry ?? localServer()
  const { ca, plainHttp } = flags
  const options = { ...(ca === undefined ? {} : { ca }), ...(plainHttp === undefined ? {} : { plainHttp }) }
  const way = await directWay({ address, credential: undefined }, options, terminal)
  await withClient(way, terminal, work)
}
