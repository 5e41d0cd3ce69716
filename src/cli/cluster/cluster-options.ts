import type { Command } from 'commander'
import { CredentialSource } from '../../cluster/credential-source.ts'
import type { KubeContext } from '../../cluster/kube-context.ts'
import { loadKubeContext } from '../../cluster/kubeconfig.ts'
import type { OpenClusterObjects } from '../../cluster/kubernetes-objects.ts'
import { layoutOf, type Layout } from '../../cluster/layout.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { parseDuration } from '../../settings/quantities.ts'
import type { Terminal } from '../streams.ts'
import { explainFault } from '../../cluster/cluster-problem.ts'

/** The flags of every command that connects to a cluster, named as in kubectl. */
export interface ClusterOptions {
  readonly kubeconfig?: string
  readonly context?: string
  readonly namespace?: string
  readonly as?: string
  readonly asGroup?: readonly string[]
  readonly requestTimeout?: string
}

/** The cluster on which a command works, and the place of trow in it. */
export interface OpenCluster {
  readonly context: KubeContext
  readonly credentials: CredentialSource
  readonly layout: Layout
  readonly objects: OpenClusterObjects
}

/** `-n` is always the namespace of trow itself, as is TROW_NAMESPACE. */
export function addClusterOptions(command: Command): Command {
  return command
    .option('--kubeconfig <file>', 'a kubeconfig (default: as kubectl finds it)')
    .option('--context <name>', 'a kube context (default: the current one)')
    .option('-n, --namespace <name>', 'namespace of trow in the cluster (default: TROW_NAMESPACE, else trow)')
    .option('--as <user>', 'ask the API server as this user')
    .option('--as-group <group>', 'ask as a member of this group too; may be repeated', gather)
    .option('--request-timeout <time>', 'how long one request of the API server may take (default: 30s)')
}

/** Throws the UserErrors of `loadKubeContext`. */
export function contextOf(options: ClusterOptions, { env, cwd }: Terminal): KubeContext {
  const { kubeconfig, context, as, asGroup: asGroups } = options
  return loadKubeContext({ env, cwd, kubeconfig, context, as, asGroups })
}

/** Throws UserError NAMESPACE_INVALID. */
export function layoutFrom({ namespace }: ClusterOptions, { env }: Terminal): Layout {
  const name = namespace ?? (env['TROW_NAMESPACE'] || 'trow')
  // The agents' namespace is five characters longer, and a namespace has at most 63.
  if (/^[a-z0-9]([a-z0-9-]{0,56}[a-z0-9])?$/.test(name)) return layoutOf(name)
  throw new UserError('NAMESPACE_INVALID', `"${name}" cannot be the namespace of trow`, {
    hint: 'Small letters, digits and hyphens, 58 at most.',
    exitCode: exitCode.usage,
  })
}

/** Sends no request yet. Throws the UserErrors of `contextOf` and `layoutFrom`, and DURATION_INVALID. */
export async function openCluster(options: ClusterOptions, terminal: Terminal): Promise<OpenCluster> {
  const context = contextOf(options, terminal)
  const layout = layoutFrom(options, terminal)
  const timeout = timeoutOf(options)
  const credentials = new CredentialSource(context, {
    env: terminal.env,
    interactive: terminal.stdin.isTTY === true,
    now: () => Date.now(),
  })
  // Loaded here: the client library takes half a second to load.
  const { connectObjects } = await import('../../cluster/kubernetes-objects.ts')
  const objects = await connectObjects({
    context,
    credentials,
    ...(timeout === undefined ? {} : { timeout }),
  })
  return { context, credentials, layout, objects }
}

/** Runs a command's work on a cluster, converts its faults to UserErrors, and closes the connection. */
export async function withCluster<T>(
  options: ClusterOptions,
  terminal: Terminal,
  work: (cluster: OpenCluster) => Promise<T>,
): Promise<T> {
  const cluster = await openCluster(options, terminal)
  try {
    return await work(cluster)
  } catch (error) {
    throw explainFault(error, cluster.context)
  } finally {
    await cluster.objects.close()
  }
}

/** Returns milliseconds. Throws UserError DURATION_INVALID. */
export function timeoutOf({ requestTimeout }: ClusterOptions): number | undefined {
  if (requestTimeout === undefined) return undefined
  const timeout = parseDuration(requestTimeout)
  if (timeout !== undefined && timeout > 0 && timeout < 2 ** 31) return timeout
  throw new UserError('DURATION_INVALID', `--request-timeout ${requestTimeout} is no time`, {
    hint: 'Write 10s, 1m.',
    exitCode: exitCode.usage,
  })
}

function gather(value: string, others: readonly string[] = []): readonly string[] {
  return [...others, value]
}
