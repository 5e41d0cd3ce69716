import type { Command } from 'commander'
import { ports } from '../../cluster/layout.ts'
import { isRegistryHost } from '../../registry-host.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { addClusterOptions, type ClusterOptions } from '../cluster/cluster-options.ts'
import { parseDuration } from '../../settings/quantities.ts'

export interface WatchNodeOptions extends ClusterOptions {
  readonly watch?: boolean
  readonly hostRoot: string
  readonly node?: string
  readonly imageHost?: readonly string[]
  readonly tokenFile: string
  readonly health: string
  readonly grace: string
}

export function addWatchOptions(command: Command): Command {
  return addClusterOptions(
    command
      .optionsGroup('Agent of a node:')
      .option(
        '--watch',
        'be the agent of a node: keep it as ConfigMap trow-orders says, prove it, and report',
      )
      .option(
        '--image-host <host>',
        'a host that the orders may name, as image references have it; may be repeated',
        gather,
      )
      .option('--node <name>', 'name of the node (default: NODE_NAME)')
      .option(
        '--token-file <file>',
        'a token with audience trow, bound to the node, to get a certificate with',
        '/var/run/trow/token',
      )
      .option(
        '--health <address>',
        'address at which /livez and /readyz answer',
        `127.0.0.1:${ports.agentHealth}`,
      )
      .option('--grace <time>', 'time that open pulls have to end when the agent is stopped', '50s')
      .optionsGroup(''),
  )
}

function gather(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value]
}

/** Flags that only apply without `--watch`. */
const onceOnly = [
  'registry',
  'host',
  'ca',
  'clientKey',
  'pullIdentity',
  'restartRuntime',
  'editHosts',
  'dryRun',
  'undo',
] as const

/** With `--watch` the settings come from the cluster. Throws UserError WATCH_CONFLICT. */
export function refuseOnceOptions(given: object): void {
  const name = onceOnly.find((each) => (given as Readonly<Record<string, unknown>>)[each] !== undefined)
  if (name === undefined) return
  const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  throw new UserError('WATCH_CONFLICT', `--${flag} and --watch exclude each other`, {
    hint: 'With --watch the settings come from ConfigMap trow-orders, which trow install writes.',
    exitCode: exitCode.usage,
  })
}

/** Throws UserError REGISTRY_NOT_GIVEN, HOST_INVALID. */
export function imageHostsOf({ imageHost = [] }: Pick<WatchNodeOptions, 'imageHost'>): readonly string[] {
  const wrong = imageHost.find((host) => !isRegistryHost(host))
  if (wrong !== undefined) {
    throw new UserError('HOST_INVALID', `--image-host "${wrong}" is no host of image references`, {
      hint: 'Write HOST or HOST:PORT in small letters, such as trow.trow.svc.',
      exitCode: exitCode.usage,
    })
  }
  if (imageHost.length > 0) return imageHost
  throw new UserError('REGISTRY_NOT_GIVEN', 'for which hosts of images may this agent write?', {
    hint: 'Give --image-host trow.trow.svc; trow install writes it into DaemonSet trow-node.',
    exitCode: exitCode.usage,
  })
}

/** Returns `--node`, or NODE_NAME. Throws UserError NODE_NOT_GIVEN. */
export function nodeOf(
  { node }: Pick<WatchNodeOptions, 'node'>,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const name = node ?? env['NODE_NAME'] ?? ''
  if (name !== '') return name
  throw new UserError('NODE_NOT_GIVEN', 'which node of the cluster is this?', {
    hint: 'Give --node, or NODE_NAME (in a pod: the downward API, fieldPath spec.nodeName).',
    exitCode: exitCode.usage,
  })
}

/** Parses `127.0.0.1:29444` or `[::1]:29444`. Throws UserError ADDRESS_INVALID. */
export function parseEndpoint(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([\da-f:.]+)\]|([\w.-]+)):(\d{1,5})$/i.exec(text)
  const port = Number(match?.[3])
  const host = match?.[1] ?? match?.[2]
  if (host !== undefined && port <= 65535) return { host, port }
  throw new UserError('ADDRESS_INVALID', `"${text}" is no address to listen on`, {
    hint: 'Write HOST:PORT, such as 127.0.0.1:29444.',
    exitCode: exitCode.usage,
  })
}

/** Returns milliseconds. Throws UserError DURATION_INVALID. */
export function graceOf({ grace }: Pick<WatchNodeOptions, 'grace'>): number {
  const time = parseDuration(grace)
  if (time !== undefined && time >= 0 && time < 3_600_000) return time
  throw new UserError('DURATION_INVALID', `--grace ${grace} is no time below an hour`, {
    hint: 'Write 50s; a little less than terminationGracePeriodSeconds of the pod.',
    exitCode: exitCode.usage,
  })
}
