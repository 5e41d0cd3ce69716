import { join } from 'node:path/posix'
import { UserError } from '../user-error.ts'
import { hostFolder } from './containerd-hosts.ts'
import { ownFile, ownLink, removeLink, removeOwn, type Step } from './machine-edit.ts'
import type { MachineFiles } from './machine-files.ts'
import type { NodeTrust, TrustChange } from './node-trust.ts'
import { isOwn } from './ownership.ts'
import { manageUnit } from './restart-runtime.ts'
import { isTable, parseToml, tomlString, type Toml } from './toml.ts'

const dropIns = '/etc/containers/registries.conf.d'
const certificates = '/etc/containers/certs.d'

/** containers-registries.conf(5): mirrors in their order, then the location, all with verified TLS. */
function dropIn(host: string, endpoints: readonly string[]): string {
  return [
    '[[registry]]',
    `prefix = ${tomlString(host)}`,
    `location = ${tomlString(endpoints.at(-1) ?? host)}`,
    ...endpoints.slice(0, -1).flatMap((each) => ['[[registry.mirror]]', `location = ${tomlString(each)}`]),
    '',
  ].join('\n')
}

/**
 * Certificates are looked up by location, not by prefix (containers-certs.d(5)). The drop-in is written last.
 */
export async function crioSteps(files: MachineFiles, trust: NodeTrust): Promise<Step[]> {
  const steps: Step[] = []
  for (const endpoint of trust.endpoints) {
    const folder = join(certificates, endpoint)
    steps.push(...(await ownFile(files, join(folder, 'ca.crt'), trust.ca)))
    steps.push(...(await clientSteps(files, folder, trust.identity)))
  }
  for (const host of trust.hosts) {
    steps.push(...(await ownFile(files, dropInOf(host), dropIn(host, trust.endpoints))))
  }
  return steps
}

/** Makes links instead of copies, so that CRI-O always uses the current certificate. */
export async function clientSteps(
  files: MachineFiles,
  folder: string,
  identity: NodeTrust['identity'],
): Promise<Step[]> {
  const [certificate, key] = [join(folder, 'trow.cert'), join(folder, 'trow.key')]
  if (identity === undefined)
    return [...(await removeLink(files, certificate)), ...(await removeLink(files, key))]
  // A certificate without its key fails every connection: the key is written first and removed last.
  return [
    ...(await ownLink(files, key, identity.key)),
    ...(await ownLink(files, certificate, identity.certificate)),
  ]
}

export async function undoCrioSteps(files: MachineFiles, hosts: readonly string[]): Promise<Step[]> {
  const mine = hosts.map(dropInOf)
  const others = (await files.list(dropIns))
    .map((name) => join(dropIns, name))
    .filter((path) => !mine.includes(path))
  const kept = new Set((await Promise.all(others.map((path) => locationsOf(files, path)))).flat())
  const removals: Step[] = []
  const locations = new Set<string>()
  for (const path of mine) {
    for (const location of await locationsOf(files, path)) if (!kept.has(location)) locations.add(location)
    removals.push(...(await removeOwn(files, path)))
  }
  // A killed run may have written certificates before the drop-in that names them.
  if (kept.size === 0) for (const name of await files.list(certificates)) locations.add(name)
  for (const location of locations) {
    const folder = join(certificates, location)
    const ca = await removeOwn(files, join(folder, 'ca.crt'))
    if (ca.length === 0) continue
    removals.push(...(await clientSteps(files, folder, undefined)), ...ca)
  }
  return removals
}

/** Returns the prefixes of trow's drop-ins. */
export async function crioHosts(files: MachineFiles): Promise<string[]> {
  const paths = (await files.list(dropIns)).map((name) => join(dropIns, name))
  const tables = await Promise.all(paths.map(async (path) => registriesOf(files, path)))
  return tables.flat().flatMap(({ prefix }) => (typeof prefix === 'string' ? [prefix] : []))
}

/**
 * CRI-O reads registries.conf at its start and at SIGHUP, and certificates at every connection. Throws
 * UserError RUNTIME_NOT_RELOADED.
 */
export async function reloadCrio(files: MachineFiles, changes: readonly TrustChange[]): Promise<void> {
  if (!changes.some(({ path }) => path.startsWith(`${dropIns}/`))) return
  const fault = await manageUnit(files, 'reload', 'crio')
  if (fault === undefined) return
  throw new UserError('RUNTIME_NOT_RELOADED', `CRI-O was not told of its new drop-in: ${fault}`, {
    hint: 'The files are written. Run `systemctl reload crio` on the machine.',
  })
}

function dropInOf(host: string): string {
  return join(dropIns, `50-trow-${hostFolder(host)}.conf`)
}

/** Returns the locations that one of trow's drop-ins names. */
async function locationsOf(files: MachineFiles, path: string): Promise<string[]> {
  const tables = await registriesOf(files, path)
  const mirrors = tables.flatMap(({ mirror }) => tablesIn(mirror))
  return [...tables, ...mirrors].flatMap(({ location }) => (typeof location === 'string' ? [location] : []))
}

/** Returns an empty list for a file of another owner, or for one that was edited into invalid TOML. */
async function registriesOf(files: MachineFiles, path: string): Promise<Toml[]> {
  const text = await files.read(path)
  if (text === undefined || !isOwn(text)) return []
  try {
    return tablesIn(parseToml(text)['registry'])
  } catch {
    return []
  }
}

function tablesIn(value: unknown): Toml[] {
  return Array.isArray(value) ? (value as unknown[]).filter(isTable) : []
}
