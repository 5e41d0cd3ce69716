import { join } from 'node:path/posix'
import type { MachineFiles } from './machine-files.ts'
import { ownFile, removeOwn, type Step } from './machine-edit.ts'
import type { NodeTrust } from './node-trust.ts'
import { tomlString } from './toml.ts'

/**
 * For a reference with a port, containerd looks up this name first (core/remotes/docker/config,
 * hostDirectory).
 */
export function hostFolder(host: string): string {
  const colon = host.lastIndexOf(':')
  return colon > 0 ? `${host.slice(0, colon)}_${host.slice(colon + 1)}_` : host
}

/**
 * Writes hosts.toml: one table per endpoint, in the order in which containerd tries them, then `server`.
 * `server` must be a reachable address too: on containerd 1.x a missing tag would otherwise look like a
 * failed name resolution. It is the first endpoint again, which holds connections while the registry is away,
 * so that its hold counts twice. containerd 2.3 tries the last host up to five times after a time limit or an
 * early end (`doWithTransportRetries`), which makes six holds. A top-level `ca` is for `server`.
 */
export function hostsToml({ endpoints, identity }: Omit<NodeTrust, 'hosts' | 'ca'>): string {
  const client = identity === undefined ? [] : [`client = ${clientPair(identity)}`]
  const [first] = endpoints
  if (first === undefined) throw new Error('there is no endpoint')
  return [
    `server = ${tomlString(`https://${first}`)}`,
    'ca = "ca.crt"',
    ...client,
    // A duplicate table is invalid TOML, and containerd treats an invalid file as a missing one.
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

/**
 * ca.crt is written first and hosts.toml last: a listed CA that does not exist fails every pull from the
 * host.
 */
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
