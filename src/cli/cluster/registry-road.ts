import type { Duplex } from 'node:stream'
import type { KubeObject } from '../../cluster/cluster-objects.ts'
import { ClusterFault } from '../../cluster/cluster-fault.ts'
import type { OpenClusterObjects } from '../../cluster/kubernetes-objects.ts'
import { dataOf, installedHost } from '../../cluster/config-data.ts'
import { names, ports } from '../../cluster/layout.ts'
import { NoReadyPod, ServiceDialer } from '../../cluster/service-dialer.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { consentPrompt } from '../login/consent-prompt.ts'
import type { IdentityOptions } from '../login/identity-options.ts'
import { registryCredential } from '../../login/registry-credential.ts'
import type { Terminal } from '../streams.ts'
import type { RegistryWay } from '../way/registry-way.ts'
import { dialFault } from '../way/upstream-errors.ts'
import type { OpenCluster } from './cluster-options.ts'
import { explainFault } from '../../cluster/cluster-problem.ts'

/** Milliseconds that a connection waits for a ready pod: the upgrade of the only pod takes some seconds. */
const patience = 60_000

/** What a cluster publishes about its registry. */
export interface PublishedRegistry {
  /** A PEM bundle. */
  readonly ca: string
  /** The host in image references of pods. */
  readonly imageHost: string
}

/** Reads ConfigMaps trow-ca and trow-install. Throws UserError REGISTRY_NOT_INSTALLED, and ClusterFault. */
export async function publishedRegistry({ objects, layout }: OpenCluster): Promise<PublishedRegistry> {
  const read = (name: string): Promise<KubeObject | undefined> =>
    objects.get({ apiVersion: 'v1', kind: 'ConfigMap', name, namespace: layout.namespace })
  const published = dataOf(await read(names.bundle))
  const ca = published['ca.crt']
  if (ca === undefined) throw notInstalled(layout.namespace)
  // A user who may read the CA may lack the right to read this ConfigMap.
  const settings = await read(names.settings).catch(() => undefined)
  return { ca, imageHost: installedHost(settings) ?? layout.imageHost }
}

type RoadOptions = IdentityOptions & {
  /** That of --username, which goes before the identity of the kube context. */
  readonly credential?: { readonly username: string; readonly password: string } | undefined
}

/**
 * Returns how a client reaches the registry in a cluster: through the API server, with the identity of the
 * kube context or of `--service-account`. Throws UserError of `registryCredential`.
 */
export async function registryRoad(
  cluster: OpenCluster,
  { ca, imageHost }: PublishedRegistry,
  options: RoadOptions,
  terminal: Terminal,
): Promise<RegistryWay> {
  return {
    ...openRoad(cluster, { ca, imageHost }, terminal),
    ...(await identityFor(cluster, imageHost, options, terminal)),
  }
}

type RoadIdentity = Pick<RegistryWay, 'credentials' | 'certificate' | 'credentialOrigin' | 'deniedHint'>

async function identityFor(
  cluster: OpenCluster,
  imageHost: string,
  { credential: given, serviceAccount, shareApiToken }: RoadOptions,
  terminal: Terminal,
): Promise<RoadIdentity> {
  if (given !== undefined)
    return { credentials: given, credentialOrigin: { kind: 'given', username: given.username } }
  const credential = await registryCredential({
    context: cluster.context,
    // A user who may create namespaces could choose one whose image host looks like another; the question
    // therefore names the namespace, which the user knows.
    registry: `${imageHost} (namespace ${cluster.layout.namespace})`,
    serviceAccount,
    seconds: 3600,
    takesCertificate: true,
    isApiTokenShared: shareApiToken === true,
    askConsent: consentPrompt(terminal),
    env: terminal.env,
  })
  return {
    credentials: credential.kind === 'token' ? { username: 'trow', password: credential.token } : undefined,
    certificate: credential.kind === 'certificate' ? credential : undefined,
    credentialOrigin: { kind: 'cluster' },
    deniedHint:
      'Somebody who may has to bind ClusterRole trow-puller, trow-pusher or trow-admin to you there.',
  }
}

/** Returns the connection to the registry in a cluster, without anybody's identity. */
export function openRoad(
  cluster: OpenCluster,
  { ca, imageHost }: PublishedRegistry,
  terminal: Pick<Terminal, 'stderr'>,
): Required<Pick<RegistryWay, 'origin' | 'ca' | 'dial'>> {
  const dialer = dialerOf(cluster)
  // Only the first connection prints why it waits. A later connection that is cut ends the request with its
  // own error.
  let isReached = false
  const say = waitingLine(terminal)
  const tell = (reason: Error): void => {
    if (!isReached) say(reason)
  }
  return {
    origin: `https://${imageHost}`,
    ca,
    dial: async () => {
      try {
        const stream = await dialRegistry(dialer, cluster, { wait: patience, tell })
        isReached = true
        return stream
      } catch (error) {
        throw dialFault(error)
      }
    },
  }
}

export function dialerOf({ objects, layout }: OpenCluster): ServiceDialer {
  const target = { namespace: layout.namespace, service: names.service, port: ports.service }
  return new ServiceDialer(objects, target)
}

export interface DialOptions {
  /** Milliseconds. */
  readonly wait: number
  readonly signal?: AbortSignal
  /** Called at each attempt with the reason why no pod is ready. */
  readonly tell?: (reason: Error) => void
}

/** Prints a line on stderr for each new reason to wait: a silent wait of a minute would look like a fault. */
export function waitingLine({ stderr }: Pick<Terminal, 'stderr'>): (reason: Error) => void {
  let told = ''
  return ({ message }) => {
    if (message !== told) stderr.write(`waiting for the registry: ${message}\n`)
    told = message
  }
}

/** Throws UserError REGISTRY_NOT_INSTALLED, REGISTRY_NOT_READY and those of `explainFault`. */
export async function dialRegistry(
  dialer: ServiceDialer,
  cluster: OpenCluster,
  { wait, signal, tell }: DialOptions,
): Promise<Duplex> {
  try {
    return await dialer.dial(wait, signal, tell)
  } catch (error) {
    const { namespace } = cluster.layout
    if (error instanceof NoReadyPod) {
      if (!error.installed) throw notInstalled(namespace)
      throw new UserError('REGISTRY_NOT_READY', error.message, {
        hint: `trow status says why; kubectl -n ${namespace} get pods shows them.`,
        cause: error,
        exitCode: exitCode.unreachable,
      })
    }
    if (error instanceof ClusterFault && error.kind === 'forbidden') {
      const binding = await bindingCommand(cluster.objects, namespace, names.clientRole)
      throw explainFault(error, cluster.context, `Somebody who may has to let you: ${binding}`)
    }
    throw explainFault(error, cluster.context)
  }
}

/**
 * Returns the command by which a cluster administrator grants what was refused. `trow-client` is a Role,
 * every other `role` a ClusterRole. Without a namespace the role is bound in all namespaces.
 */
export async function bindingCommand(
  objects: OpenClusterObjects,
  namespace: string | undefined,
  role: string,
): Promise<string> {
  const user = await objects.whoAmI().catch(() => undefined)
  const [, account] = /^system:serviceaccount:([^:]+:[^:]+)$/.exec(user ?? '') ?? []
  const subject = account === undefined ? `--user=${shellWord(user ?? 'YOU')}` : `--serviceaccount=${account}`
  const name = `${role}-${(user ?? 'you').toLowerCase().replaceAll(/[^a-z0-9.-]+/g, '-')}`.slice(0, 200)
  const kind = role === names.clientRole ? '--role' : '--clusterrole'
  return namespace === undefined
    ? `kubectl create clusterrolebinding ${name} ${kind}=${role} ${subject}`
    : `kubectl -n ${namespace} create rolebinding ${name} ${kind}=${role} ${subject}`
}

function notInstalled(namespace: string): UserError {
  return new UserError('REGISTRY_NOT_INSTALLED', `trow is not in namespace ${namespace} of this cluster`, {
    hint: 'trow install puts it there; -n names another namespace, --registry another registry.',
  })
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
