import { isIP } from 'node:net'
import { isCovered, makeAuthority } from '../certificates/certificate-authority.ts'
import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import { labels, names } from '../cluster/layout.ts'
import { UserError } from '../user-error.ts'
import { tlsNames, type InstallFacts, type InstallSettings } from './install-settings.ts'
import { bundleOf, secretText, type Bundle } from '../cluster/config-data.ts'

/**
 * Makes the CA of the install if there is none; otherwise leaves it and its bundle unchanged. A lost CA is
 * replaced, and the old one stays in the bundle. Throws UserError CA_TOO_NARROW.
 */
export async function ensureAuthority(
  cluster: ClusterObjects,
  settings: InstallSettings,
  facts: InstallFacts,
  crypto: Crypto,
): Promise<Bundle> {
  const { namespace } = settings
  const [secret, map] = await Promise.all([
    cluster.get({ apiVersion: 'v1', kind: 'Secret', name: names.authority, namespace }),
    cluster.get({ apiVersion: 'v1', kind: 'ConfigMap', name: names.bundle, namespace }),
  ])
  const known = bundleOf(map)
  const kept = secretText(secret, 'ca.crt')
  if (kept !== undefined && secretText(secret, 'ca.key') !== undefined) {
    checkNames(kept, settings, facts)
    return known ?? keepBundle(cluster, namespace, { certificates: kept, generation: 1 })
  }
  const wanted = authorityNames(settings, facts)
  const made = await makeAuthority(
    wanted.filter((name) => isIP(name) === 0),
    wanted.filter((name) => isIP(name) !== 0),
    crypto,
  )
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: names.authority, namespace, labels: labels.of('registry') },
    type: 'Opaque',
    data: { 'ca.crt': encode(made.cert), 'ca.key': encode(made.key) },
  })
  return keepBundle(cluster, namespace, {
    certificates: `${made.cert}${known?.certificates ?? ''}`,
    generation: (known?.generation ?? 0) + 1,
  })
}

/**
 * Checks whether the existing CA may sign for all names that these settings need. A CA that does not exist
 * yet passes. Changes nothing. Throws UserError CA_TOO_NARROW.
 */
export async function checkAuthorityNames(
  cluster: ClusterObjects,
  settings: InstallSettings,
  facts: InstallFacts,
): Promise<void> {
  const { namespace } = settings
  const secret = await cluster.get({ apiVersion: 'v1', kind: 'Secret', name: names.authority, namespace })
  const kept = secretText(secret, 'ca.crt')
  if (kept !== undefined) checkNames(kept, settings, facts)
}

/**
 * Returns the names for which a CA made now would be allowed to sign, besides private addresses and loopback.
 */
export function authorityNames(settings: InstallSettings, facts: InstallFacts): string[] {
  return tlsNames(settings, facts).filter((name) => !isPrivate(name))
}

async function keepBundle(cluster: ClusterObjects, namespace: string, bundle: Bundle): Promise<Bundle> {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: names.bundle, namespace, labels: labels.of('registry') },
    data: { 'ca.crt': bundle.certificates, generation: String(bundle.generation) },
  })
  return bundle
}

function checkNames(cert: string, settings: InstallSettings, facts: InstallFacts): void {
  const outside = authorityNames(settings, facts).filter((name) => !isCovered(name, cert))
  if (outside.length === 0) return
  const options = outside.map((name) => ` --host ${name}`).join('')
  throw new UserError('CA_TOO_NARROW', `the CA of this install may not speak for ${outside.join(', ')}`, {
    hint: `trow ca rotate --wait${options} has the next CA speak for it, and nodes trust that first; then install again. Or bring a certificate: --tls-secret NAME.`,
  })
}

/**
 * The ranges for which every CA of trow may sign (`certificates/`), and the names for which it always may.
 */
function isPrivate(name: string): boolean {
  if (name === 'localhost' || name === 'host.docker.internal') return true
  if (isIP(name) === 4)
    return /^(127|10|192\.168|169\.254|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./.test(
      name,
    )
  return isIP(name) === 6 && /^(::1$|f[cd]|fe[89ab])/i.test(name)
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64')
}
