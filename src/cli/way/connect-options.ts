import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { plainReason } from '../../plain-reason.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { addClusterOptions, type ClusterOptions } from '../cluster/cluster-options.ts'
import { addIdentityOptions, type IdentityOptions } from '../login/identity-options.ts'
import { passwordOf } from '../password.ts'
import type { Terminal } from '../streams.ts'

/** The flags for one registry that is reached at an address. */
export interface AddressOptions {
  readonly ca?: string
  readonly plainHttp?: boolean
  readonly username?: string
  readonly passwordStdin?: boolean
}

export interface RegistryOptions extends ClusterOptions, IdentityOptions, AddressOptions {
  readonly registry?: string
}

export function addAddressOptions(command: Command): Command {
  return command
    .option('--ca <file>', 'CA of the registry, PEM (default: what docker or podman trust for it)')
    .option('--plain-http', 'HTTP without TLS, beyond loopback')
    .option('-u, --username <name>', 'user name (default: the login of docker or podman)')
    .option('--password-stdin', 'read the password from standard input (default: ask for it)')
}

export function addConnectOptions(command: Command): Command {
  return addAddressOptions(
    addIdentityOptions(addClusterOptions(command)).option(
      '--registry <url>',
      'a registry, instead of the one in the cluster: HOST[:PORT] (default: TROW_REGISTRY)',
    ),
  )
}

/**
 * Returns the credential of --username, whose password is read or asked for. Throws UserError
 * OPTIONS_CONFLICT, PASSWORD_MISSING.
 */
export async function givenCredential(
  { username, passwordStdin }: AddressOptions,
  terminal: Terminal,
): Promise<{ readonly username: string; readonly password: string } | undefined> {
  if (username !== undefined) {
    return { username, password: await passwordOf(username, passwordStdin === true, terminal) }
  }
  if (passwordStdin !== true) return undefined
  throw new UserError('OPTIONS_CONFLICT', '--password-stdin needs a user name', {
    hint: 'Add --username NAME.',
    exitCode: exitCode.usage,
  })
}

/** Throws UserError FILE_MISSING, CA_INVALID. */
export function readCa(path: string): string {
  const pem = readPem(path)
  if (/^-----BEGIN (TRUSTED )?CERTIFICATE-----/m.test(pem)) return pem
  throw new UserError('CA_INVALID', `${path} has no certificate in PEM`, {
    hint: 'It begins with -----BEGIN CERTIFICATE-----.',
    exitCode: exitCode.usage,
  })
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new UserError('FILE_MISSING', `${path} cannot be read: ${plainReason(cause)}`, {
      hint: 'Name a file of certificates in PEM.',
      cause,
    })
  }
}
