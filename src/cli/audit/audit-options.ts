import type { Command } from 'commander'
import { addConnectOptions, type RegistryOptions } from '../way/connect-options.ts'
import { addSettingOptions, storageSettingNames } from '../setting-options.ts'

export type AuditOptions = RegistryOptions & Readonly<Record<string, unknown>>

/**
 * Adds the options that name a log, for `askAudit`. Without any of these options the registry in the cluster of
 * the kube context is used, or ./trow-data.
 */
export function addAuditPlace(command: Command): Command {
  addSettingOptions(command, storageSettingNames)
  command.option('--folder <folder>', 'a folder with an audit log, instead of that of --data')
  return addConnectOptions(command)
}
