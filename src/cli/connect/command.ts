import { hostPort } from '../../host-port.ts'
import { Command } from 'commander'
import { ports } from '../../cluster/layout.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { addClusterOptions, withCluster, type ClusterOptions } from '../cluster/cluster-options.ts'
import { dialerOf, dialRegistry, publishedRegistry, waitingLine } from '../cluster/registry-road.ts'
import { keepMemoryFlat } from '../flat-memory.ts'
import type { CommandContext } from '../command-context.ts'
import { outputOption, type Output } from '../result/output.ts'
import { printResult, type Result } from '../result/print-result.ts'
import { stopSignal } from '../stop-signal.ts'
import type { Terminal } from '../streams.ts'
import { listenAndForward } from './local-listener.ts'
import { examples } from '../help/examples.ts'

interface ConnectOptions extends ClusterOptions {
  readonly port: string
  readonly address: string
  readonly output: Output
}

/** Milliseconds that a new connection waits for a ready pod. */
const patience = 30_000

export function connectCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('connect')
    .description('keep a local address open for the registry in the cluster')
    .addHelpText(...examples('trow connect', 'trow connect --port 6000 --context production'))
    .option('--port <number>', 'port on this machine', String(ports.connect))
    .option(
      '--address <ip>',
      'address on this machine; 0.0.0.0 lets everybody in who reaches it',
      '127.0.0.1',
    )
    .addOption(outputOption('text', 'json', 'yaml', 'jsonl'))
  return addClusterOptions(command).action(async (options: ConnectOptions) => {
    keepMemoryFlat()
    const port = parsePort(options.port)
    const { signal, stop } = stopSignal(terminal)
    try {
      await withCluster(options, terminal, async (cluster) => {
        const { imageHost } = await publishedRegistry(cluster)
        const dialer = dialerOf(cluster)
        // A first connection shows that the user has the right and that a pod is ready, before the address is
        // printed.
        const first = await dialRegistry(dialer, cluster, {
          wait: patience,
          signal,
          tell: waitingLine(terminal),
        })
        first.destroy()
        const listener = await listenAndForward({
          address: options.address,
          port,
          dial: () => dialRegistry(dialer, cluster, { wait: patience, signal }),
          say: (line) => void terminal.stderr.write(`${line}\n`),
        })
        try {
          const { context, layout } = cluster
          const local = { address: options.address, port: listener.port }
          const { namespace } = layout
          const result = connectionResult(local, { context: context.name, namespace, imageHost })
          await printConnection(result, options.output, terminal)
          await new Promise<void>((resolve) => {
            if (signal.aborted) return resolve()
            signal.addEventListener('abort', () => resolve(), { once: true })
          })
        } finally {
          await listener.close()
        }
      })
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      stop()
    }
    finish(exitCode.interrupted)
  })
}

/** Returns what `trow connect` prints once the address is open. */
export function connectionResult(
  { address, port }: { readonly address: string; readonly port: number },
  cluster: Pick<Result<'Connection'>, 'context' | 'namespace' | 'imageHost'>,
): Result<'Connection'> {
  return {
    ...cluster,
    address: hostPort(address, port),
    engineAddress: `host.docker.internal:${port}`,
  }
}

export async function printConnection(
  result: Result<'Connection'>,
  output: string,
  terminal: Terminal,
): Promise<void> {
  if (output === 'text') terminal.stdout.write(nextSteps(result))
  else await printResult('Connection', result, output, terminal)
}

function nextSteps({ address, engineAddress, imageHost }: Result<'Connection'>): string {
  return [
    `the registry of the cluster is at ${address} until Ctrl-C`,
    `  an engine on this machine    ${address}/app:1`,
    `  one in a VM (Docker Desktop, colima, podman machine)    ${engineAddress}/app:1`,
    `  the same image in a pod      ${imageHost}/app:1`,
    '  trow trust-docker makes the engine trust it, trow login gives it a credential;',
    '  trow push needs neither.',
    '',
  ].join('\n')
}

function parsePort(text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535 && text !== '') return port
  throw new UserError('CONFIG_INVALID', `--port ${text} is no port`, {
    hint: 'Write 1 to 65535, or 0 for any that is free.',
    exitCode: exitCode.usage,
  })
}
