import { join } from 'node:path/posix'
import type { MachineFiles } from './machine-files.ts'
import { ownFile, removeOwn, type Step } from './machine-edit.ts'
import type { NodeTrust } from './node-trust.ts'
import { tomlString } from './toml.ts'

/** containerd looks a reference with a port up under this name first (core/remotes/docker/config, hostDirectory). */
export function hostFolder(host: string): string {
  const colon = host.lastIndexOf(':')
  return colon > 0 ? `${host.slice(0, colon)}_${host.slice(colon + 1)}_` : host
}

/**
 * hosts.toml: one table an endpoint, in the order in which they are tried, then `server`, which is a reachable address too: on
 * containerd 1.x a missing tag would else look like a fault of name resolution. It is the first endpoint once more, which holds
 * connections while there is no registry: its hold counts twice, and on containerd 2.3, which tries the last host up to five
 * times after a time limit or an early end (`doWithTransportRetries`), six times. A top-level `ca` is for `server`.
 */
export function hostsToml({ endpoints, identity }: Omit<NodeTrust, 'hosts' | 'ca'>): string {
  const client = identity === undefined ? [] : [`client = ${clientPair(identity)}`]
  const [first] = endpoints
  if (first === undefined) throw new Error('there is no endpoint')
  return [
    `server = ${tomlString(`https://${first}`)}`,
    'ca = "ca.crt"',
    ...client,
    // A table that is there twice is no TOML, and containerd takes a file that is none for one that is not there.
    ...[...new Set(endpoints)].flatMap((endpoint) => [
      `[host.${tomlString(`https://${endpoint}`)}]`,
      '  capabilities = ["pull", "resolve"]',
      '  ca = "ca.crt"',
      ...client.map((line) => `  ${line}`),
      '  dial_timeout = "3s"',
    ]),
    '',
  ].join('\n')
}

/** ca.crt first and hosts.toml last: a listed CA that is not there fails every pull of the host. */
export async function trustSteps(
  files: MachineFiles,
  folder: string,
  { hosts, ca, ...rest }: NodeTrust,
): Promise<Step[]> {
  const steps: Step[] = []
  for (const host of hosts) {
    const at = join(folder, hostFolder(host))
    steps.push(...(await ownFile(files, join(at, 'ca.crt'), ca)))
    steps.push(...(await ownFile(files, join(at, 'hosts.toml'), hostsToml(rest))))
  }
  return steps
}

export async function untrustSteps(
  files: MachineFiles,
  folder: string,
  hosts: readonly string[],
): Promise<Step[]> {
  const steps: Step[] = []
  for (const host of hosts) {
    for (const name of ['hosts.toml', 'ca.crt']) {
      steps.push(...(await removeOwn(files, join(folder, hostFolder(host), name))))
    }
  }
  return steps
}

function clientPair({ certificate, key }: { readonly certificate: string; readonly key: string }): string {
  return certificate === key
    ? `[${tomlString(certificate)}]`
    : `[[${tomlString(certificate)}, ${tomlString(key)}]]`
}
