import type { Command } from 'commander'
import { resolve } from 'node:path'
import { addClusterOptions, type ClusterOptions } from '../cluster/cluster-options.ts'
import { isClusterNamed, isFolderNamed } from '../named-folder.ts'
import type { IdentityOptions } from '../login/identity-options.ts'
import { addSettingOptions, settingsOf } from '../setting-options.ts'
import type { Terminal } from '../streams.ts'
import type { PolicyPlace } from './policy-place.ts'
import { ServerPlace } from './server-place.ts'

export type PlaceOptions = ClusterOptions & IdentityOptions & Readonly<Record<string, unknown>>

export function addPolicyPlace(command: Command): Command {
  addSettingOptions(command, ['data'])
  return addClusterOptions(command)
}

/**
 * Opens the first of these: the server of the folder that is named (--data, --config, or their variables), the
 * cluster that is named, the cluster of the kube context if trow is installed there, the server of ./trow-data.
 * Throws UserError CONFIG_INVALID, and those of the cluster.
 */
async function openPolicyPlace(options: PlaceOptions, terminal: Terminal): Promise<PolicyPlace> {
  const { env } = terminal
  const isByCluster = isClusterNamed(options)
  const isByVariable = !isByCluster && (env['TROW_DATA'] ?? env['TROW_CONFIG']) !== undefined
  if (!isFolderNamed(options) && !isByVariable) {
    // Loaded here: a server on this machine needs none of it.
    const { openClusterPlace } = await import('./cluster-place.ts')
    const place = await openClusterPlace(options, terminal, isByCluster)
    if (place !== undefined) return place
  }
  const { settings } = await settingsOf(options, terminal)
  return new ServerPlace(resolve(settings.data))
}

/** Runs a command's work on the policies, and closes the connection. */
export async function withPolicies<Result>(
  options: PlaceOptions,
  terminal: Terminal,
  work: (place: PolicyPlace) => Promise<Result>,
): Promise<Result> {
  const place = await openPolicyPlace(options, terminal)
  try {
    return await work(place)
  } finally {
    await place.close()
  }
}
