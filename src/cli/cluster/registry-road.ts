import type { Duplex } from 'node:stream'
import type { KubeObject } from '../../cluster/cluster-objects.ts'
import { ClusterFault } from '../../cluster/cluster-fault.ts'
import type { OpenClusterObjects } from '../../cluster/kubernetes-objects.ts'
import { installedHost } from '../../cluster/config-data.ts'
import { names, ports } from '../../cluster/layout.ts'
import { NoReadyPod, ServiceDialer } from '../../cluster/service-dialer.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { consentPrompt } from '../login/consent-prompt.ts'
import type { IdentityOptions } from '../login/identity-options.ts'
import { registryCredential } from '../../login/registry-credential.ts'
import type { Terminal } from '../streams.ts'
import { dialFault } from '../upstream/upstream-errors.ts'
import type { RegistryWay } from '../upstream/registry-way.ts'
import type { OpenCluster } from './cluster-options.ts'
import { explainFault } from '../../cluster/cluster-problem.ts'

/** Milliseconds that a connection waits for a pod that is ready: an upgrade of the only one takes some seconds. */
const patience = 60_000

/** What a cluster publishes of its registry. */
export interface PublishedRegistry {
  /** PEM bundle. */
  readonly ca: string
  /** As image references of pods have it. */
  readonly imageHost: string
}

/** ConfigMaps trow-ca and trow-install. Throws UserError REGISTRY_NOT_INSTALLED, and ClusterFault. */
export async function publishedRegistry({ objects, layout }: OpenCluster): Promise<PublishedRegistry> {
  const read = (name: string): Promise<KubeObject | undefined> =>
    objects.get({ apiVersion: 'v1', kind: 'ConfigMap', name, namespace: layout.namespace })
  const published = (await read(names.bundle))?.['data'] as Readonly<Record<string, string>> | undefined
  const ca = published?.['ca.crt']
  if (ca === undefined) throw notInstalled(layout.namespace)
  // Whoever may read the CA need not be allowed to read this.
  const settings = await read(names.settings).catch(() => undefined)
  return { ca, imageHost: installedHost(settings) ?? layout.imageHost }
}

/**
 * How a client of the registry speaks to the one in a cluster: through the API server, as whom the kube context or
 * `--service-account` names. Throws UserError of `registryCredential`.
 */
export async function registryRoad(
  cluster: OpenCluster,
  { ca, imageHost }: PublishedRegistry,
  options: IdentityOptions,
  terminal: Terminal,
): Promise<RegistryWay> {
  const credential = await registryCredential({
    context: cluster.context,
    // Whoever may make a namespace could name one of theirs like the image host: the namespace is what the person knows.
    registry: `${imageHost} (namespace ${cluster.layout.namespace})`,
    serviceAccount: options.serviceAccount,
    seconds: 3600,
    takesCertificate: true,
    isApiTokenShared: options.shareApiToken === true,
    askConsent: consentPrompt(terminal),
    env: terminal.env,
  })
  const dialer = dialerOf(cluster)
  // Later on, who is cut says so.
  let isReached = false
  const say = waitingLine(terminal)
  const tell = (reason: Error): void => {
    if (!isReached) say(reason)
  }
  return {
    origin: `https://${imageHost}`,
    ca,
    credentials: credential.kind === 'token' ? { username: 'trow', password: credential.token } : undefined,
    certificate: credential.kind === 'certificate' ? credential : undefined,
    dial: async () => {
      try {
        const stream = await dialRegistry(dialer, cluster, { wait: patience, tell })
        isReached = true
        return stream
      } catch (error) {
        throw dialFault(error)
      }
    },
    deniedHint:
      'Somebody who may has to bind ClusterRole trow-puller, trow-pusher or trow-admin to you there.',
  }
}

export function dialerOf({ objects, layout }: OpenCluster): ServiceDialer {
  const target = { namespace: layout.namespace, service: names.service, port: ports.service }
  return new ServiceDialer(objects, target)
}

export interface DialWish {
  /** Milliseconds. */
  readonly wait: number
  readonly signal?: AbortSignal
  /** Why it is not there yet, at each look. */
  readonly tell?: (reason: Error) => void
}

/** A line on stderr for each new reason to wait: a minute without a word looks like a fault. */
export function waitingLine({ stderr }: Pick<Terminal, 'stderr'>): (reason: Error) => void {
  let told = ''
  return ({ message }) => {
    if (message !== told) stderr.write(`waiting for the registry: ${message}\n`)
    told = message
  }
}

/** In words: UserError REGISTRY_NOT_INSTALLED, REGISTRY_NOT_READY and those of `explainFault`. */
export async function dialRegistry(
  dialer: ServiceDialer,
  cluster: OpenCluster,
  { wait, signal, tell }: DialWish,
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
 * The command that whoever administers the cluster runs to allow what was refused. `role`: `trow-client` is a Role, every
 * other one a ClusterRole; without a namespace it is bound in all of them.
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
