import { randomBytes } from 'node:crypto'
import { explainFault } from '../../cluster/cluster-problem.ts'
import type { PresentedLogin } from '../../login/login.ts'
import { needsServiceAccount } from '../../login/registry-credential.ts'
import type { HttpRegistryOptions } from '../../upstream/registry-http.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { openCluster, type ClusterOptions, type OpenCluster } from '../cluster/cluster-options.ts'
import { openRoad, publishedRegistry, type PublishedRegistry } from '../cluster/registry-road.ts'
import type { Terminal } from '../streams.ts'
import { clusterNamespace, isOnThisMachine, type RegistryAddress } from '../way/address.ts'
import type { AddressOptions } from '../way/connect-options.ts'
import { directWay } from '../way/direct-way.ts'
import type { RegistryWay } from '../way/registry-way.ts'
import { withClient } from '../way/with-way.ts'

type VerifyOptions = ClusterOptions & Pick<AddressOptions, 'ca' | 'plainHttp'>

/**
 * Presents a login to the registry for which it is. The registry in a cluster is asked by the API server, every
 * other one at its address. Throws UserError REGISTRY_DENIED, and why the registry is out of reach.
 */
export async function verifyLogin(
  address: RegistryAddress,
  presented: PresentedLogin,
  options: VerifyOptions,
  terminal: Terminal,
): Promise<void> {
  try {
    await withConnection(address, options, terminal, async (way) => {
      await ping({ ...way, ...shownTo(presented) }, terminal)
      if (await letsAnybodyIn(way, presented, terminal))
        terminal.stderr.write(`${address.host} lets everybody in, so that this login could not be proved\n`)
    })
  } catch (error) {
    throw outOfReach(error)
  }
}

type Connection = Pick<HttpRegistryOptions, 'origin' | 'ca' | 'dial'>

async function withConnection(
  address: RegistryAddress,
  options: VerifyOptions,
  terminal: Terminal,
  work: (way: Connection) => Promise<void>,
): Promise<void> {
  const namespace = clusterNamespace(address)
  const mayBeConnected = isOnThisMachine(address) && options.ca === undefined
  if (namespace === undefined && !mayBeConnected) {
    return work(await addressOnly(address, options, terminal))
  }
  let cluster: OpenCluster | undefined
  try {
    const inIt = namespace === undefined ? options : { ...options, namespace }
    const found = await publishedIn(inIt, terminal, (opened) => (cluster = opened)).catch(
      (error: unknown) => {
        if (namespace === undefined) return undefined
        throw cluster === undefined ? error : explainFault(error, cluster.context)
      },
    )
    if (namespace !== undefined && cluster !== undefined && found !== undefined)
      return await work(openRoad(cluster, found, terminal))
    const way = await addressOnly(address, options, terminal)
    // `trow connect` opens a local address for the registry in the cluster, whose CA nobody else knows.
    await work({ ...way, ca: way.ca ?? (way.origin.startsWith('https:') ? found?.ca : undefined) })
  } finally {
    await cluster?.objects.close()
  }
}

async function publishedIn(
  options: ClusterOptions,
  terminal: Terminal,
  opened: (cluster: OpenCluster) => void,
): Promise<PublishedRegistry> {
  const cluster = await openCluster({ requestTimeout: '10s', ...options }, terminal)
  opened(cluster)
  return publishedRegistry(cluster)
}

/** The way to an address, without the login that docker or podman have for it now. */
async function addressOnly(
  address: RegistryAddress,
  options: VerifyOptions,
  terminal: Terminal,
): Promise<Connection> {
  const { origin, ca } = await directWay({ address, credential: undefined }, options, terminal)
  return { origin, ca }
}

function shownTo(
  presented: PresentedLogin,
): Pick<RegistryWay, 'credentials' | 'certificate' | 'credentialOrigin' | 'deniedHint'> {
  switch (presented.kind) {
    case 'password': {
      const { username, password } = presented
      return { credentials: { username, password }, credentialOrigin: { kind: 'given', username } }
    }
    case 'token':
      return {
        credentials: { username: 'trow', password: presented.token },
        deniedHint: presented.isForApiServer
          ? `Nothing was kept. The registry takes a token for the API server only with --api-server-tokens. ${needsServiceAccount}`
          : 'Nothing was kept. Is it the registry of this cluster?',
      }
    case 'certificate':
      return {
        credentials: undefined,
        certificate: presented,
        deniedHint: 'Nothing was kept. Is it the registry of this cluster?',
      }
  }
}

function ping(way: RegistryWay, terminal: Terminal): Promise<void> {
  return withClient(way, terminal, (client) => client.ping())
}

/**
 * A registry may answer everybody, without a look at the login. Where it answers without one, it is asked with one
 * that nobody has.
 */
async function letsAnybodyIn(
  way: Connection,
  { kind }: PresentedLogin,
  terminal: Terminal,
): Promise<boolean> {
  const takes = (credentials: RegistryWay['credentials']): Promise<boolean> =>
    ping({ ...way, credentials }, terminal).then(
      () => true,
      () => false,
    )
  if (!(await takes(undefined))) return false
  const random = randomBytes(12).toString('hex')
  return kind === 'certificate' || takes({ username: `nobody-${random}`, password: random })
}

function outOfReach(error: unknown): unknown {
  if (!(error instanceof UserError) || error.exitCode === exitCode.usage) return error
  if (error.code === 'REGISTRY_DENIED') return error
  const { code, message, hint } = error
  return new UserError(code, message, {
    hint: `${hint === undefined ? '' : `${hint}\n  `}Nothing was kept; --no-verify keeps a login for a registry that is out of reach here.`,
    exitCode: error.exitCode,
    cause: error,
  })
}
