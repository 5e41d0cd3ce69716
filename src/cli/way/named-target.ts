import { isDigest } from '../../oci/digest.ts'
import { OciError } from '../../oci/oci-error.ts'
import { parseRepositoryName, type RepositoryName } from '../../oci/repository-name.ts'
import { parseReference, type Reference } from '../../oci/tag.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { Terminal } from '../streams.ts'
import {
  clusterNamespace,
  isDockerHub,
  needNoCluster,
  parseAddress,
  registryFlag,
  type RegistryAddress,
} from './address.ts'
import type { RegistryOptions } from './connect-options.ts'

/** A name on the command line: `[http[s]://]host[:port][/repository[:tag][@digest]]`. */
export interface NamedTarget {
  /** `undefined` if nothing names a registry; see `findWay`. */
  readonly registry: RegistryAddress | undefined
  readonly repository: RepositoryName | undefined
  readonly reference: Reference | undefined
}

/**
 * A name without a host means the registry of --registry or TROW_REGISTRY. Throws UserError REFERENCE_INVALID,
 * HOST_INVALID, OPTIONS_CONFLICT.
 */
export function parseNamed(
  given: string | undefined,
  options: RegistryOptions,
  terminal: Pick<Terminal, 'env'>,
): NamedTarget {
  const { host, path } = splitHost(given ?? '')
  const registry =
    host === undefined ? registryFlag(options, terminal) : namedRegistry(given ?? '', host, options)
  const { repository, reference } = pathOf(path, given)
  const isShort = registry?.namedBy === 'name' && isDockerHub(registry) && repository?.includes('/') === false
  const full = isShort ? parseRepositoryName(`library/${repository}`) : repository
  return { registry, repository: full, reference }
}

/**
 * Like `parseNamed`, for the name of an image: `app:1` is a tag here, and not a host with a port. Throws
 * UserError REFERENCE_INVALID too.
 */
export function parseImageName(
  given: string,
  options: RegistryOptions,
  terminal: Pick<Terminal, 'env'>,
): NamedTarget {
  return mayNameHost(given)
    ? parseNamed(given, options, terminal)
    : { ...parseNamed(undefined, options, terminal), ...pathOf(given) }
}

/** Splits `[http[s]://]HOST[:PORT]` from the rest of an image's name; `undefined` for a name without a host. */
export function splitImageName(given: string): ReturnType<typeof splitHost> {
  return mayNameHost(given) ? splitHost(given) : { host: undefined, path: given }
}

/** An address alone names no image, and is told so by whoever needs one. */
function mayNameHost(given: string): boolean {
  return given.includes('/') || /^(localhost|[\d.]+|\[.*\])(:\d+)?$/.test(given)
}

function splitHost(given: string): { readonly host: string | undefined; readonly path: string } {
  const [, scheme = '', first = '', rest] = /^(https?:\/\/)?([^/]*)(?:\/(.*))?$/i.exec(given) ?? []
  const looksLikeHost = first === 'localhost' || /[.:[]/.test(first.replace(/@.*/, ''))
  // `app:latest` is a tag, `host:5000` a port.
  const isHost = scheme !== '' || (looksLikeHost && (rest !== undefined || !/:[^\d]/.test(first)))
  return isHost ? { host: `${scheme}${first}`, path: rest ?? '' } : { host: undefined, path: given }
}

function namedRegistry(given: string, host: string, options: RegistryOptions): RegistryAddress {
  const address = parseAddress(host, 'name')
  if (clusterNamespace(address) === undefined) needNoCluster(`"${given}"`, options)
  const { registry } = options
  if (registry === undefined || parseAddress(registry, '--registry').host === address.host) return address
  throw new UserError('HOST_INVALID', `"${given}" and --registry "${registry}" are two registries`, {
    exitCode: exitCode.usage,
  })
}

function pathOf(path: string, given = path): Pick<NamedTarget, 'repository' | 'reference'> {
  try {
    return parsePath(path)
  } catch (error) {
    if (!(error instanceof OciError)) throw error
    throw new UserError('REFERENCE_INVALID', `"${given}": ${error.message}`, {
      hint: typeof error.detail === 'string' ? error.detail : 'Write HOST:PORT/REPOSITORY:TAG.',
      cause: error,
      exitCode: exitCode.usage,
    })
  }
}

function parsePath(path: string): Pick<NamedTarget, 'repository' | 'reference'> {
  if (path === '') return { repository: undefined, reference: undefined }
  const [beforeDigest = '', digest] = path.split('@')
  const colon = beforeDigest.lastIndexOf(':')
  const tag = colon > beforeDigest.lastIndexOf('/') ? beforeDigest.slice(colon + 1) : undefined
  const repository = parseRepositoryName(tag === undefined ? beforeDigest : beforeDigest.slice(0, colon))
  const reference = digest ?? tag
  return { repository, reference: reference === undefined ? undefined : parseReference(reference) }
}

/** Formats a reference as a user writes it. */
export function printReference(repository: string, reference: Reference): string {
  return isDigest(reference) ? `${repository}@${reference}` : `${repository}:${reference}`
}
