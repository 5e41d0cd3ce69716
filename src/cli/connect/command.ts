import { Command } from 'commander'
import { ports } from '../../cluster/layout.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { addClusterOptions, withCluster, type ClusterOptions } from '../cluster/cluster-options.ts'
import { dialerOf, dialRegistry, publishedRegistry, waitingLine } from '../cluster/registry-road.ts'
import { keepMemoryFlat } from '../flat-memory.ts'
import type { CommandContext } from '../command-context.ts'
import { stopSignal } from '../stop-signal.ts'
import { listenAndForward } from './local-listener.ts'

interface ConnectOptions extends ClusterOptions {
  readonly port: string
  readonly address: string
}

/** Milliseconds that a new connection waits for a pod that is ready. */
const patience = 30_000

export function connectCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('connect')
    .description('keep a local address open for the registry in the cluster')
    .option('--port <number>', 'local port', String(ports.connect))
    .option(
      '--address <ip>',
      'local address; 0.0.0.0 lets everybody who reaches this machine in',
      '127.0.0.1',
    )
  return addClusterOptions(command).action(async (options: ConnectOptions) => {
    keepMemoryFlat()
    const port = parsePort(options.port)
    const { signal, stop } = stopSignal(terminal)
    try {
      await withCluster(options, terminal, async (cluster) => {
        const { imageHost } = await publishedRegistry(cluster)
        const dialer = dialerOf(cluster)
        // Known before anything is promised: that it may be done, and that a pod is there.
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
          terminal.stdout.write(nextSteps(options.address, listener.port, imageHost))
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

function nextSteps(address: string, port: number, imageHost: string): string {
  const local = `${address.includes(':') ? `[${address}]` : address}:${port}`
  return [
    `the registry of the cluster is at ${local} until Ctrl-C`,
    `  an engine on this machine    ${local}/app:1`,
    `  one in a VM (Docker Desktop, colima, podman machine)    host.docker.internal:${port}/app:1`,
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
