import { hostCertificates } from '../../login/host-certificates.ts'
import { storedLogin } from '../../login/stored-credential.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import { spokenProtocol } from '../../upstream/spoken-protocol.ts'
import type { RegistryCredentials } from '../../upstream/token-service.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { Terminal } from '../streams.ts'
import { apiHost, hostName, isOnThisMachine, loginHosts, type RegistryAddress } from './address.ts'
import { readCa, type AddressOptions } from './connect-options.ts'
import type { CredentialOrigin, RegistryWay } from './registry-way.ts'
import { explainUpstream } from './upstream-errors.ts'

type GivenCredential = { readonly username: string; readonly password: string } | undefined

/**
 * Returns the way to a registry at an address. What it speaks is found out on loopback; elsewhere it is TLS,
 * unless the user asks for plain HTTP. Nothing of the user is sent here. Throws UserError PLAIN_HTTP_REFUSED,
 * REGISTRY_SPEAKS_TLS, REGISTRY_UNREACHABLE, FILE_MISSING, CA_INVALID, CREDENTIALS_INVALID.
 */
export async function directWay(
  {
    address,
    repository,
    credential,
  }: {
    readonly address: RegistryAddress
    /** podman may keep a login for it alone. */
    readonly repository?: RepositoryName | undefined
    /** That of --username, which goes before every login. */
    readonly credential: GivenCredential
  },
  options: Pick<AddressOptions, 'ca' | 'plainHttp'>,
  { env }: Pick<Terminal, 'env'>,
): Promise<RegistryWay> {
  const host = apiHost(address)
  const given = options.ca === undefined ? undefined : readCa(options.ca)
  const origin = `${await schemeOf(address, options)}://${host}`
  const own = await hostCertificates(host, env)
  return {
    origin,
    ca: given ?? own.ca,
    certificate: own.certificate,
    ...(await credentialOf(address, { repository, credential }, env)),
  }
}

async function credentialOf(
  address: RegistryAddress,
  {
    repository,
    credential,
  }: { readonly repository: RepositoryName | undefined; readonly credential: GivenCredential },
  env: Terminal['env'],
): Promise<{
  readonly credentials: RegistryCredentials | undefined
  readonly credentialOrigin: CredentialOrigin
}> {
  if (credential !== undefined) {
    const { username } = credential
    return { credentials: credential, credentialOrigin: { kind: 'given', username } }
  }
  const {
    credential: stored,
    place = '',
    problem,
  } = await storedLogin({ hosts: loginHosts(address), repository }, env)
  if (stored === undefined) return { credentials: undefined, credentialOrigin: { kind: 'none', problem } }
  return { credentials: stored, credentialOrigin: { kind: 'stored', place } }
}

async function schemeOf(
  address: RegistryAddress,
  { ca, plainHttp }: Pick<AddressOptions, 'ca' | 'plainHttp'>,
): Promise<'http' | 'https'> {
  const { scheme, host } = address
  const isHere = isOnThisMachine(address)
  if (plainHttp === true && (ca !== undefined || scheme === 'https')) {
    throw new UserError('OPTIONS_CONFLICT', `--plain-http, and ${ca === undefined ? 'https://' : '--ca'}`, {
      hint: 'Leave out one of them.',
      exitCode: exitCode.usage,
    })
  }
  if (scheme === 'http' && !isHere && plainHttp !== true) {
    throw new UserError('PLAIN_HTTP_REFUSED', `http://${host} would be asked without TLS`, {
      hint: 'Add --plain-http if nobody on the way may be listening; without http:// it is asked by TLS.',
      exitCode: exitCode.usage,
    })
  }
  const wanted = scheme ?? (plainHttp === true ? 'http' : ca !== undefined || !isHere ? 'https' : undefined)
  // TLS tells by itself when the other side speaks something else.
  if (wanted === 'https') return 'https'
  const spoken = await protocolOf(host)
  if (spoken === 'http') return 'http'
  if (wanted === undefined) return 'https'
  throw new UserError('REGISTRY_SPEAKS_TLS', `${host} speaks TLS, and was to be asked without it`, {
    hint: `Leave out ${plainHttp === true ? '--plain-http' : 'http://'}.`,
    exitCode: exitCode.unreachable,
  })
}

async function protocolOf(host: string): Promise<'tls' | 'http'> {
  const port = Number(/:(\d+)$/.exec(host)?.[1] ?? 80)
  try {
    return await spokenProtocol({ host: hostName(host), port })
  } catch (error) {
    throw explainUpstream(error)
  }
}
