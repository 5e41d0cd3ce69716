import { exitCode, UserError } from '../user-error.ts'
import { editDistance } from './nearest-name.ts'
import { fileOnly, settingNames } from './setting-info.ts'
import type { SettingName } from './settings-schema.ts'
import { unknownSetting } from './unknown-setting.ts'

/** Variables that commands read and that are no settings of the server. */
export const commandVariables: Readonly<Record<string, string>> = {
  TROW_CONFIG: 'the trow.yaml of commands without --config',
  TROW_NAMESPACE: 'the namespace of trow in the cluster, for commands without --namespace',
  TROW_REGISTRY: 'the registry of commands without --registry: [http[s]://]HOST[:PORT]',
  TROW_SHARE_API_TOKEN: 'if it is not empty, commands act as with --share-api-token',
}

export interface Variables {
  readonly given: Partial<Record<SettingName, { readonly value: string; readonly origin: string }>>
  /** Variables that begin with TROW_ and have no meaning here. */
  readonly ignored: readonly string[]
}

/** A name with at most this edit distance from a setting's variable counts as a typing error. */
const slip = 2

/**
 * Reads the settings in the environment. Throws UserError CONFIG_UNKNOWN_KEY for a name that differs by two
 * letters or less from that of a setting: with TROW_HTPASWD the server would run without access control, and
 * its operator would not notice.
 */
export function readVariables(env: Readonly<Record<string, string | undefined>>): Variables {
  const variables = new Map(settingNames.map((name) => [variableOf(name), name]))
  const given: Variables['given'] = {}
  const ignored: string[] = []
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith('TROW_') || value === undefined) continue
    const name = variables.get(variable)
    if (name !== undefined && fileOnly.has(name)) throw onlyInFile(variable, name)
    if (name !== undefined) given[name] = { value, origin: variable }
    else if (Object.hasOwn(commandVariables, variable) || isOfService(variable, value)) continue
    else if (settingNames.some((each) => editDistance(variable, variableOf(each)) <= slip))
      throw unknownSetting(variable, [...variables.keys()], { where: 'the environment' })
    else ignored.push(variable)
  }
  return { given, ignored }
}

/** Text for people. */
export function noSetting(variable: string): string {
  return `${variable} is no setting of trow, and is ignored`
}

export function variableOf(name: string): string {
  return `TROW_${name.toUpperCase().replaceAll('-', '_')}`
}

/**
 * Returns whether Kubernetes sets this variable in every pod of a namespace with a Service whose name begins
 * with `trow`
 * (https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables).
 */
function isOfService(variable: string, value: string): boolean {
  return (
    /^TROW_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)$/.test(
      variable,
    ) ||
    (/^TROW_(\w+_)?PORT$/.test(variable) && /^(tcp|udp|sctp):\/\//.test(value))
  )
}

function onlyInFile(variable: string, name: SettingName): UserError {
  return new UserError('CONFIG_UNKNOWN_KEY', `${variable}: "${name}" cannot be given by a variable`, {
    hint: `Write it into a trow.yaml, and name that with --config or TROW_CONFIG.`,
    exitCode: exitCode.usage,
  })
}
