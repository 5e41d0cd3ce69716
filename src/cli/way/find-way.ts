import { explainFault } from '../../cluster/cluster-problem.ts'
import { UserError } from '../../user-error.ts'
import { openCluster, type OpenCluster } from '../cluster/cluster-options.ts'
import { publishedRegistry, registryRoad } from '../cluster/registry-road.ts'
import type { Terminal } from '../streams.ts'
import { clusterNamespace } from './address.ts'
import { givenCredential, type RegistryOptions } from './connect-options.ts'
import { directWay } from './direct-way.ts'
import { localServer } from './local-server.ts'
import type { NamedTarget } from './named-target.ts'
import type { RegistryWay } from './registry-way.ts'

/** The registry that a command works on. */
export interface FoundWay {
  readonly way: RegistryWay
  /** The registry's host in image references. */
  readonly host: string
  /** The cluster by which it is reached. */
  readonly cluster: OpenCluster | undefined
  close(): Promise<void>
}

type Target = Pick<NamedTarget, 'registry'> & Partial<Pick<NamedTarget, 'repository'>>

/**
 * Finds the registry for a command: the one that is named, else the one in the cluster of the kube context, else
 * the server that runs here. Says on stderr which one it took if the command line does not name it. Throws
 * UserError REGISTRY_UNREACHABLE if there is none, REGISTRY_AMBIGUOUS if there are several, and those of `directWay` and of the cluster.
 */
export async function findWay(
  target: Target,
  options: RegistryOptions,
  terminal: Terminal,
): Promise<FoundWay> {
  const found = await look(target, options, terminal)
  if ('way' in found) return found
  const address = localServer()
  const credential = await givenCredential(options, terminal)
  const { repository } = target
  const way = await directWay({ address, repository, credential }, options, terminal).catch(
    (error: unknown) => {
      throw nothingHere(error, found.because)
    },
  )
  say(terminal, `${way.origin} (the server that runs here)`)
  return { way, host: address.host, cluster: undefined, close: async () => {} }
}

/** Like `findWay`, for a command that looks at the server that runs here by itself: `undefined`. */
export async function findWayElsewhere(
  target: Target,
  options: RegistryOptions,
  terminal: Terminal,
): Promise<FoundWay | undefined> {
  const found = await look(target, options, terminal)
  return 'way' in found ? found : undefined
}

async function look(
  { registry, repository }: Target,
  options: RegistryOptions,
  terminal: Terminal,
): Promise<FoundWay | { readonly because: string | undefined }> {
  const namespace = registry && clusterNamespace(registry)
  if (registry === undefined || namespace !== undefined) {
    const inIt = namespace === undefined ? options : { namespace, ...options }
    const found = await findInCluster(inIt, terminal)
    if ('way' in found || registry === undefined) return found
  }
  const credential = await givenCredential(options, terminal)
  const way = await directWay({ address: registry, repository, credential }, options, terminal)
  if (registry.namedBy === 'TROW_REGISTRY') say(terminal, `${way.origin} (TROW_REGISTRY)`)
  return { way, host: registry.host, cluster: undefined, close: async () => {} }
}

/** Returns why there is none if there is no kubeconfig, or no trow in its cluster, and no flag names either. */
async function findInCluster(
  options: RegistryOptions,
  terminal: Terminal,
): Promise<FoundWay | { readonly because: string | undefined }> {
  const { kubeconfig, context, namespace } = options
  const isNamed = (kubeconfig ?? context ?? namespace) !== undefined
  let cluster: OpenCluster | undefined
  try {
    cluster = await openCluster({ requestTimeout: '10s', ...options }, terminal)
    const published = await publishedRegistry(cluster)
    const credential = await givenCredential(options, terminal)
    const way = await registryRoad(cluster, published, { ...options, credential }, terminal)
    const { objects, context: used } = cluster
    say(terminal, `${published.imageHost} (in the cluster of context "${used.name}")`)
    return { way, host: published.imageHost, cluster, close: () => objects.close() }
  } catch (thrown) {
    await cluster?.objects.close()
    const error = cluster === undefined ? thrown : explainFault(thrown, cluster.context)
    if (!(error instanceof UserError)) throw error
    if (!isNamed && nobody.includes(error.code))
      return { because: cluster === undefined ? undefined : error.message }
    throw new UserError(error.code, error.message, {
      hint: `${error.hint === undefined ? '' : `${error.hint} `}HOST:PORT/…, --registry or TROW_REGISTRY names a registry that needs no cluster.`,
      exitCode: error.exitCode,
      cause: error,
    })
  }
}

const nobody = ['KUBECONFIG_MISSING', 'CONTEXT_UNKNOWN', 'REGISTRY_NOT_INSTALLED']

function nothingHere(error: unknown, because: string | undefined): unknown {
  if (!(error instanceof UserError) || error.code !== 'REGISTRY_UNREACHABLE') return error
  const message = `no registry is named, and none runs here: ${error.message}`
  return new UserError(error.code, message, {
    hint: `${because === undefined ? '' : `${because}. `}trow serve starts one; HOST:PORT/…, --registry or TROW_REGISTRY names another.`,
    exitCode: error.exitCode,
    cause: error,
  })
}

function say({ stderr }: Terminal, taken: string): void {
  stderr.write(`registry: ${taken}\n`)
}
