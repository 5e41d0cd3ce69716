import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import { isDigest } from '../../oci/digest.ts'
import { OciError } from '../../oci/oci-error.ts'
import { parseRepositoryName, type RepositoryName } from '../../oci/repository-name.ts'
import { parseReference, type Reference } from '../../oci/tag.ts'
import { reasonOf } from '../../reason-of.ts'
import type { RegistryClient } from '../../upstream/registry-client.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { isLoopback } from '../../loopback.ts'
import { addClusterOptions, type ClusterOptions } from '../cluster/cluster-options.ts'
import type { FoundRegistry } from '../cluster/found-registry.ts'
import { addIdentityOptions, type IdentityOptions } from '../login/identity-options.ts'
import type { Terminal } from '../streams.ts'
import { explainUpstream } from '../upstream/upstream-errors.ts'
import type { RegistryWay } from '../upstream/registry-way.ts'

const defaultRegistry = 'http://127.0.0.1:8000'

export interface ConnectOptions extends ClusterOptions, IdentityOptions {
  readonly registry?: string
  readonly ca?: string
  readonly plainHttp?: boolean
  readonly username?: string
  readonly passwordStdin?: boolean
}

/** What a person names on the command line: `[http[s]://]host[:port][/repository[:tag][@digest]]`. */
export interface Named {
  /** Undefined: nobody has said; see `withRegistry`. */
  readonly origin: string | undefined
  readonly repository: RepositoryName | undefined
  readonly reference: Reference | undefined
}

export function addConnectOptions(command: Command): Command {
  return addIdentityOptions(addClusterOptions(command))
    .option('--registry <url>', 'a registry, instead of the one in the cluster: [http[s]://]HOST[:PORT]')
    .option('--ca <file>', 'CA of that registry, PEM')
    .option('--plain-http', 'HTTP without TLS (loopback is HTTP anyway)')
    .option('--username <name>', 'user name')
    .option('--password-stdin', 'read the password from standard input')
}

/** Without a host the registry is that of --registry, or of TROW_REGISTRY. Throws UserError REFERENCE_INVALID. */
export function parseNamed(given: string | undefined, options: ConnectOptions, terminal: Terminal): Named {
  const match = /^(?:(https?):\/\/)?([^/]*)(?:\/(.*))?$/.exec(given ?? '')
  const [, scheme, first = '', rest = ''] = match ?? []
  const isHost = scheme !== undefined || first === 'localhost' || /[.:[]/.test(first.replace(/@.*/, ''))
  const named = isHost && (scheme !== undefined || rest !== '' || !/:[^\d]/.test(first))
  const path = named ? rest : (given ?? '')
  const origin = named ? originOf(scheme, first, options) : namedOrigin(options, terminal)
  try {
    return { origin, ...parsePath(path) }
  } catch (error) {
    if (!(error instanceof OciError)) throw error
    throw new UserError('REFERENCE_INVALID', `"${given}": ${error.message}`, {
      hint: typeof error.detail === 'string' ? error.detail : 'Write HOST:PORT/REPOSITORY:TAG.',
      cause: error,
      exitCode: exitCode.usage,
    })
  }
}

/** Of --registry, or of TROW_REGISTRY. */
export function namedOrigin(options: ConnectOptions, { env }: Terminal): string | undefined {
  const registry = options.registry ?? env['TROW_REGISTRY']
  return registry ? originFrom(registry, options) : undefined
}

/**
 * Runs a command's work on a registry: its faults in words for the person at the terminal, and closed in the end. Where no
 * registry is named, the one in the cluster of the kube context; where there is no kubeconfig, or no trow in that
 * cluster, http://127.0.0.1:8000. Flags that name a cluster make sure that it is the first.
 */
export async function withRegistry<Result>(
  { origin }: Named,
  options: ConnectOptions,
  terminal: Terminal,
  work: (client: RegistryClient) => Promise<Result>,
): Promise<Result> {
  // Loaded here, not with every command: `trow serve` is to start fast.
  const { connectRegistry } = await import('../../upstream/http-registry-client.ts')
  const found = origin === undefined ? await findInCluster(options, terminal) : undefined
  const way = found?.registry ?? (await registryOptions(origin ?? defaultRegistry, options, terminal))
  const client = connectRegistry(way)
  try {
    return await work(client)
  } catch (error) {
    throw explainUpstream(error, way.deniedHint)
  } finally {
    await client.close()
    await found?.close()
  }
}

async function findInCluster(
  options: ConnectOptions,
  terminal: Terminal,
): Promise<FoundRegistry | undefined> {
  const { findRegistry } = await import('../cluster/found-registry.ts')
  return findRegistry(options, terminal)
}

/** Of a registry that is reached as it is named. */
export async function registryOptions(
  origin: string,
  options: ConnectOptions,
  terminal: Terminal,
): Promise<RegistryWay> {
  const { username } = options
  const password = options.passwordStdin === true ? (await text(terminal.stdin)).trim() : ''
  return {
    origin,
    ca: options.ca === undefined ? undefined : readCa(options.ca),
    credentials: username === undefined ? undefined : { username, password },
  }
}

function originFrom(registry: string, options: ConnectOptions): string {
  const [, scheme, host = ''] = /^(?:(https?):\/\/)?([^/]*)/.exec(registry) ?? []
  return originOf(scheme, host, options)
}

function originOf(scheme: string | undefined, host: string, options: ConnectOptions): string {
  const name = host.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '')
  const plain = options.plainHttp === true || (isLoopback(name) && options.ca === undefined)
  return `${scheme ?? (plain ? 'http' : 'https')}://${host}`
}

function parsePath(path: string): Pick<Named, 'repository' | 'reference'> {
  if (path === '') return { repository: undefined, reference: undefined }
  const [beforeDigest = '', digest] = path.split('@')
  const colon = beforeDigest.lastIndexOf(':')
  const tag = colon > beforeDigest.lastIndexOf('/') ? beforeDigest.slice(colon + 1) : undefined
  const repository = parseRepositoryName(tag === undefined ? beforeDigest : beforeDigest.slice(0, colon))
  const reference = digest ?? tag
  return { repository, reference: reference === undefined ? undefined : parseReference(reference) }
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new UserError('FILE_MISSING', `${path} cannot be read: ${reasonOf(cause)}`, { cause })
  }
}

/** As a person would write it. */
export function printReference(repository: string, reference: Reference): string {
  return isDigest(reference) ? `${repository}@${reference}` : `${repository}:${reference}`
}
