import { names } from '../../cluster/layout.ts'
import { dockerHubHosts } from '../../login/registry-host.ts'
import { isLoopback } from '../../loopback.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { Terminal } from '../streams.ts'
import type { RegistryOptions } from './connect-options.ts'

/** A registry as a user names it. */
export interface RegistryAddress {
  /** `HOST[:PORT]`, in lower case. */
  readonly host: string
  /** `undefined` if the user did not write one. */
  readonly scheme: 'http' | 'https' | undefined
  /** `here`: by nobody, it is the server of this machine. */
  readonly namedBy: 'name' | '--registry' | 'TROW_REGISTRY' | 'here'
}

/** The host of Docker Hub's API differs from the host in image references and in logins. */
const dockerHub = {
  registry: 'registry-1.docker.io',
  logins: ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io'],
}

const grammar = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i

/** Reads `[http[s]://]HOST[:PORT][/]`. Throws UserError HOST_INVALID. */
export function parseAddress(text: string, namedBy: RegistryAddress['namedBy']): RegistryAddress {
  const [, scheme, host = ''] = /^(?:(https?):\/\/)?([^/]*)\/?$/i.exec(text.trim()) ?? []
  if (grammar.test(host))
    return { host: host.toLowerCase(), scheme: scheme?.toLowerCase() as 'http' | undefined, namedBy }
  throw new UserError(
    'HOST_INVALID',
    `"${text}"${namedBy === 'name' ? '' : ` of ${namedBy}`} is no registry`,
    {
      hint: 'Write HOST or HOST:PORT, registry.example.com:5000 for example.',
      exitCode: exitCode.usage,
    },
  )
}

/**
 * Returns the registry of --registry, else of TROW_REGISTRY; a flag that names a cluster goes before the
 * variable. Throws UserError HOST_INVALID, OPTIONS_CONFLICT.
 */
export function registryFlag(
  options: RegistryOptions,
  { env }: Pick<Terminal, 'env'>,
): RegistryAddress | undefined {
  const { registry } = options
  if (registry !== undefined) {
    needNoCluster(`--registry ${registry}`, options)
    return parseAddress(registry, '--registry')
  }
  const variable = env['TROW_REGISTRY']
  return variable && clusterFlag(options) === undefined ? parseAddress(variable, 'TROW_REGISTRY') : undefined
}

/** Throws UserError OPTIONS_CONFLICT if a flag names a cluster beside a registry. */
export function needNoCluster(named: string, options: RegistryOptions): void {
  const flag = clusterFlag(options)
  if (flag === undefined) return
  throw new UserError('OPTIONS_CONFLICT', `${named} names a registry, and ${flag} a cluster`, {
    hint: 'Leave out one of them.',
    exitCode: exitCode.usage,
  })
}

/** Returns options of which no flag names a cluster. */
export function withoutCluster<Options extends RegistryOptions>(options: Options): Options {
  const { kubeconfig: _, context: __, namespace: ___, as: ____, serviceAccount: _____, ...others } = options
  return others as Options
}

function clusterFlag(options: RegistryOptions): string | undefined {
  const flags = {
    '--kubeconfig': options.kubeconfig,
    '--context': options.context,
    '--namespace': options.namespace,
    '--as': options.as,
    '--service-account': options.serviceAccount,
  }
  return Object.entries(flags).find(([, value]) => value !== undefined)?.[0]
}

/** Returns the namespace of trow for `trow.NAMESPACE.svc`, a name that only the nodes of a cluster resolve. */
export function clusterNamespace({ host }: RegistryAddress): string | undefined {
  const [, service, namespace] = /^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?::443)?$/.exec(host) ?? []
  return service === names.service ? namespace : undefined
}

export function isDockerHub({ host }: RegistryAddress): boolean {
  return dockerHubHosts.includes(host)
}

/** Returns the host to connect to. */
export function apiHost(address: RegistryAddress): string {
  return isDockerHub(address) ? dockerHub.registry : address.host
}

/** Returns the names under which docker and podman keep logins for it. */
export function loginHosts(address: RegistryAddress): readonly string[] {
  return isDockerHub(address) ? dockerHub.logins : [address.host]
}

export function isOnThisMachine({ host, namedBy }: RegistryAddress): boolean {
  return namedBy === 'here' || isLoopback(hostName(host))
}

/** Returns the host without its port, an IPv6 address without brackets. */
export function hostName(host: string): string {
  return host.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '')
}
