import { isIP } from 'node:net'
import { join } from 'node:path/posix'
import { exitCode, UserError } from '../user-error.ts'
import { clientSteps } from './crio.ts'
import { ownFile, removeOwn, type Step } from './machine-edit.ts'
import type { MachineFiles } from './machine-files.ts'
import type { NodeTrust } from './node-trust.ts'
import { lineMark } from './ownership.ts'

const certificates = '/etc/docker/certs.d'
const hostsFile = '/etc/hosts'

/**
 * dockerd supports mirrors of Docker Hub only. The registry's name must therefore resolve, by one marked line
 * in /etc/hosts. The address is never in 127.0.0.0/8: dockerd pulls from such an address without checking
 * TLS.
 */
export async function dockerSteps(
  files: MachineFiles,
  trust: NodeTrust,
  editHosts: boolean,
): Promise<Step[]> {
  const names = [...new Set(trust.hosts.map(nameOf))]
  const [address] = trust.endpoints.flatMap((endpoint) => addressOf(endpoint, trust.hosts))
  const hosts = editHosts && address !== undefined ? await hostsSteps(files, names, address) : []
  if (!editHosts || address === undefined) throw needsHosts(editHosts)
  const steps: Step[] = []
  for (const host of trust.hosts) {
    const folder = join(certificates, host)
    steps.push(...(await ownFile(files, join(folder, 'ca.crt'), trust.ca)))
    steps.push(...(await clientSteps(files, folder, trust.identity)))
  }
  return [...steps, ...hosts]
}

export async function undoDockerSteps(files: MachineFiles, hosts: readonly string[]): Promise<Step[]> {
  const path = await files.resolve(hostsFile)
  const before = await files.read(path)
  const after = before === undefined ? undefined : withoutLine(before, [...new Set(hosts.map(nameOf))])
  const steps: Step[] = []
  if (before !== undefined && after !== undefined && after !== before) {
    steps.push({ kind: 'write', path, text: after, before })
  }
  for (const host of hosts) {
    const folder = join(certificates, host)
    // A folder with a hosts.toml belongs to containerd.
    if (await files.exists(join(folder, 'hosts.toml'))) continue
    const ca = await removeOwn(files, join(folder, 'ca.crt'))
    if (ca.length > 0) steps.push(...(await clientSteps(files, folder, undefined)), ...ca)
  }
  return steps
}

/** Inserts at the top of the file, where a last line without a line break does not matter. */
async function hostsSteps(files: MachineFiles, names: readonly string[], address: string): Promise<Step[]> {
  const path = await files.resolve(hostsFile)
  const before = (await files.read(path)) ?? ''
  const rest = withoutLine(before, names)
  const taken = rest.split('\n').find((line) => names.some((name) => lineNames(line).includes(name)))
  if (taken !== undefined) {
    throw new UserError(
      'FILE_FOREIGN',
      `${hostsFile} has a line for ${names.join(', ')} already: ${taken.trim()}`,
      {
        hint: 'Take that line out (the shell installer of 2019 wrote one to 127.0.0.1, which turns TLS off) and run this again.',
      },
    )
  }
  const text = `${address} ${names.join(' ')} ${lineMark}\n${rest}`
  return text === before ? [] : [{ kind: 'write', path, text, before }]
}

function withoutLine(text: string, names: readonly string[]): string {
  return text
    .split(/(?<=\n)/)
    .filter(
      (line) => !(line.trimEnd().endsWith(lineMark) && lineNames(line).some((name) => names.includes(name))),
    )
    .join('')
}

function lineNames(line: string): string[] {
  return (line.split('#')[0] ?? '').trim().split(/\s+/).slice(1)
}

function nameOf(host: string): string {
  return host.replace(/:\d+$/, '')
}

/** Returns the address of an endpoint that is not loopback and listens on the port that references have. */
function addressOf(endpoint: string, hosts: readonly string[]): string[] {
  const address = endpoint.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  const loopback = address.startsWith('127.') || address === '::1'
  const isReached = hosts.some((host) => portOf(host) === portOf(endpoint))
  return isIP(address) === 0 || loopback || !isReached ? [] : [address]
}

function portOf(host: string): string {
  return /:(\d+)$/.exec(host)?.[1] ?? '443'
}

function needsHosts(edit: boolean): UserError {
  return edit
    ? new UserError(
        'DOCKER_NEEDS_HOSTS',
        'dockerd must resolve the registry’s name, and there is no address for it',
        {
          hint: 'Give an endpoint that is an IP address beyond loopback: the ClusterIP of the registry’s Service.',
        },
      )
    : new UserError('DOCKER_NEEDS_HOSTS', 'dockerd must resolve the registry’s name on this machine', {
        hint: '--edit-hosts adds one marked line to /etc/hosts; --undo takes it out.',
        exitCode: exitCode.usage,
      })
}
