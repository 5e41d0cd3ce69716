import { webcrypto } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { CredentialSource } from '../../cluster/credential-source.ts'
import { layoutOf, type Layout } from '../../cluster/layout.ts'
import type { KubeContext } from '../../cluster/kube-context.ts'
import { inspectMachine } from '../../trust/inspect-machine.ts'
import { provideTokens } from '../../trust/kubelet/provide-tokens.ts'
import { withdrawTokens } from '../../trust/kubelet/withdraw-tokens.ts'
import { trustMachine } from '../../trust/trust-machine.ts'
import { untrustMachine } from '../../trust/untrust-machine.ts'
import { contextOf, layoutFrom, timeoutOf } from '../cluster/cluster-options.ts'
import { createLogger } from '../../serve/logger.ts'
import type { Terminal } from '../streams.ts'
import { trowVersion } from '../version.ts'
import { serveHealth } from './watch-health.ts'
import { graceOf, imageHostsOf, nodeOf, type WatchNodeOptions } from './watch-options.ts'

const machine = {
  inspect: inspectMachine,
  trust: trustMachine,
  untrust: untrustMachine,
  provide: provideTokens,
  withdraw: withdrawTokens,
}

/** `trow trust-node --watch`: runs the node's agent until it is stopped. Returns the exit code. */
export async function watchNode(options: WatchNodeOptions, terminal: Terminal): Promise<number> {
  const node = nodeOf(options, terminal.env)
  const grace = graceOf(options)
  const context = contextOf(options, terminal)
  const timeout = timeoutOf(options) ?? 10_000
  const layout = layoutOfAgent(options, terminal, context)
  const imageHosts = imageHostsOf(options)
  const level = terminal.env['TROW_LOG_LEVEL'] === 'debug' ? 'debug' : 'info'
  const log = createLogger({ format: 'json', level })
  const [{ connectObjects }, { NodeAgent }] = await Promise.all([
    import('../../cluster/kubernetes-objects.ts'),
    import('../../agent/node-agent.ts'),
  ])
  const now = (): number => Date.now()
  const credentials = new CredentialSource(context, { env: terminal.env, interactive: false, now })
  const objects = await connectObjects({ context, credentials, timeout, manager: 'trow-node' })
  // Read for each request: the kubelet replaces the token.
  const token = async (): Promise<string> => (await readFile(options.tokenFile, 'utf8')).trim()
  const agent = new NodeAgent({
    node,
    hostRoot: resolve(terminal.cwd, options.hostRoot),
    layout,
    imageHosts,
    version: trowVersion(),
    objects,
    machine,
    async certify(question) {
      // Loaded only on nodes without a certificate of the cluster.
      const { askForNodeCertificate } = await import('../../upstream/node-certificate.ts')
      return askForNodeCertificate({ ...question, token: await token() })
    },
    token,
    crypto: webcrypto as Crypto,
    now,
    random: Math.random,
    log,
    pace: { grace },
  })
  const health = await serveHealth(options.health, agent)
  if (health.fault !== undefined) {
    const message = `${options.health} of node ${node} cannot be listened on: ${health.fault}`
    log.error(message)
    const hint = 'trow trust-node --health takes another address, as do the probes of DaemonSet trow-node.'
    agent.setProblem('health', { code: 'HEALTH_PORT_TAKEN', message, hint, fatal: false })
  }
  const stop = new AbortController()
  const takeBack = terminal.onStop((signal) => {
    log.info('stopping', { signal })
    stop.abort()
  })
  try {
    log.info('watching', { node, namespace: layout.namespace, imageHosts, server: objects.server })
    await agent.run(stop.signal)
    return 0
  } finally {
    takeBack()
    health.close()
    await objects.close()
  }
}

/** In a pod the layout comes from the pod's own namespace, unless an option or TROW_NAMESPACE names it. */
function layoutOfAgent(
  options: WatchNodeOptions,
  terminal: Terminal,
  { file, namespace }: KubeContext,
): Layout {
  const isTold = options.namespace !== undefined || (terminal.env['TROW_NAMESPACE'] ?? '') !== ''
  if (!isTold && file === undefined && namespace !== undefined)
    return layoutOf(namespace.replace(/-node$/, ''))
  return layoutFrom(options, terminal)
}
