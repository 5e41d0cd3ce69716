import { UserError } from '../user-error.ts'
import { hostOf } from './registry-host.ts'

/** The parts of docker's config.json and of containers-auth.json(5) that a login changes. */
export interface EngineConfig {
  auths?: Record<string, Record<string, unknown>>
  credHelpers?: Record<string, string>
  readonly credsStore?: string
}

/**
 * Returns a config file with one edit. Everything else stays as it is, numbers to the digit, with the file's
 * own indentation (in a new file a tab, as docker writes it). Throws UserError CREDENTIALS_INVALID for a file
 * that is no JSON object, so that its content is not lost.
 */
export function editConfig(
  file: string,
  content: string | undefined,
  edit: (config: EngineConfig) => void,
): string {
  const text = content === undefined || content.trim() === '' ? '{}' : content
  const config = parseConfig(file, text)
  edit(config)
  const indent =
    content === undefined
      ? '\t'
      : (/^\s*\{\r?\n([ \t]+)/.exec(text)?.[1] ?? (text.includes('\n') ? '\t' : ''))
  const end = content === undefined || text.endsWith('\n') ? '\n' : ''
  return JSON.stringify(config, undefined, indent) + end
}

export function parseConfig(file: string, text: string): EngineConfig {
  let config: unknown
  try {
    config = JSON.parse(text, keepNumber)
  } catch (cause) {
    // The parser's message quotes the text, which may be a secret.
    throw invalid(file, 'is no JSON', cause)
  }
  if (!isObject(config)) throw invalid(file, 'is no JSON object')
  for (const key of ['auths', 'credHelpers']) {
    if (key in config && !isObject(config[key])) throw invalid(file, `${key} is no object`)
  }
  return config
}

/** Removes every trace of an earlier login: engines prefer an identity token to a password. */
export function setPassword(config: EngineConfig, host: string, username: string, secret: string): void {
  const { [host]: old = {} } = (config.auths ??= {})
  const { username: _, password: __, identitytoken: ___, registrytoken: ____, ...rest } = old
  config.auths[host] = { ...rest, auth: Buffer.from(`${username}:${secret}`).toString('base64') }
}

/** An entry without a secret: a credential store has it. */
export function markStored(config: EngineConfig, host: string): void {
  config.auths ??= {}
  config.auths[host] = {}
}

export function setHelper(config: EngineConfig, host: string, helper: string): void {
  config.credHelpers ??= {}
  config.credHelpers[host] = helper
}

/** Removes credentials and trow's helper, in every spelling of the host. Returns whether there were any. */
export function forget(config: EngineConfig, host: string, helper: string): boolean {
  let found = false
  for (const key of Object.keys(config.auths ?? {})) {
    if (hostOf(key) !== host) continue
    delete config.auths?.[key]
    found = true
  }
  if (config.credHelpers?.[host] === helper) {
    delete config.credHelpers[host]
    if (Object.keys(config.credHelpers).length === 0) delete config.credHelpers
    found = true
  }
  return found
}

/** A number in the file may have more digits than a JavaScript number can hold. */
function keepNumber(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  const { rawJSON } = JSON as unknown as { rawJSON(source: string): unknown }
  return typeof value === 'number' && context?.source !== undefined ? rawJSON(context.source) : value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(file: string, reason: string, cause?: unknown): UserError {
  return new UserError('CREDENTIALS_INVALID', `${file} ${reason}; it has been left as it is`, {
    hint: 'Repair it or move it away, then log in again.',
    cause,
  })
}
