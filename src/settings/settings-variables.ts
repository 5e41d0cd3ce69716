import { exitCode, UserError } from '../user-error.ts'
import { editDistance } from './nearest-name.ts'
import { fileOnly, settingInfo, type SettingName } from './settings-schema.ts'
import { unknownSetting } from './unknown-setting.ts'

/** Read by commands, and no settings of the server. */
export const commandVariables: readonly string[] = [
  'TROW_CONFIG',
  'TROW_NAMESPACE',
  'TROW_REGISTRY',
  'TROW_SHARE_API_TOKEN',
]

export interface Variables {
  readonly given: Partial<Record<SettingName, { readonly value: string; readonly origin: string }>>
  /** Begin like ours, and mean nothing here. */
  readonly ignored: readonly string[]
}

const names = Object.keys(settingInfo) as SettingName[]
/** More letters than this apart, and it was hardly meant. */
const slip = 2

/**
 * What the environment says of settings. Throws UserError CONFIG_UNKNOWN_KEY for a name that is two letters or less from
 * that of a setting: with TROW_HTPASWD the server would be open, and look as if it were not.
 */
export function readVariables(env: Readonly<Record<string, string | undefined>>): Variables {
  const variables = new Map(names.map((name) => [variableOf(name), name]))
  const given: Variables['given'] = {}
  const ignored: string[] = []
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith('TROW_') || value === undefined) continue
    const name = variables.get(variable)
    if (name !== undefined && fileOnly.has(name)) throw onlyInFile(variable, name)
    if (name !== undefined) given[name] = { value, origin: variable }
    else if (commandVariables.includes(variable) || isOfService(variable, value)) continue
    else if (names.some((each) => editDistance(variable, variableOf(each)) <= slip))
      throw unknownSetting(variable, [...variables.keys()], 'the environment')
    else ignored.push(variable)
  }
  return { given, ignored }
}

/** For people. */
export function noSetting(variable: string): string {
  return `${variable} is no setting of trow, and is ignored`
}

export function variableOf(name: string): string {
  return `TROW_${name.toUpperCase().replaceAll('-', '_')}`
}

/**
 * Whether Kubernetes sets it in every pod beside a Service whose name begins with `trow`
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
