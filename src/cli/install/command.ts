import { Command, Option } from 'commander'
import { exitCode, UserError } from '../../user-error.ts'
import { addClusterOptions } from '../cluster/cluster-options.ts'
import type { CommandContext } from '../command-context.ts'
import { addInstallOptions } from './install-flags.ts'
import type { RunInstallOptions } from './run-options.ts'
import { examples } from '../help/examples.ts'

/** `trow install`. */
export function installCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('install')
    .description(
      'put the registry into the current cluster, or bring the one there up to date, and have every node pull from it',
    )
    .addHelpText(
      ...examples(
        'trow install --dry-run=server',
        'trow install --yes',
        'trow install --host registry.example.com --tls-secret registry-tls --service-type LoadBalancer',
        'trow install --dry-run=client -o yaml > trow.yaml',
      ),
    )
  addInstallOptions(addClusterOptions(command))
    .optionsGroup('Options:')
    .option('-y, --yes', 'do not ask')
    .addOption(new Option('--dry-run <where>', 'change nothing').choices(['client', 'server']))
    .addOption(
      new Option(
        '-o, --output <format>',
        'for programs: what was done, manifests with --dry-run, checks with --preflight',
      ).choices(['yaml', 'json', 'short']),
    )
    .option('--with-baseline', 'print the first policy too, with --dry-run=client')
    .option('--preflight', 'only look whether it can be installed')
    .option('--ignore-preflight <ids>', 'go on in spite of these checks: storage,clock or all', list)
    .option('--force', 'move into a namespace of others, take over from Helm, Argo CD or Flux')
    .option('--force-conflicts', 'take over fields that other field managers own')
    .option('--prune', 'remove objects of an earlier install that are not wanted any more')
    .addOption(
      new Option('--complete', 'what the Job of the --dry-run=client set runs in the cluster').hideHelp(),
    )
    .option('--timeout <time>', 'how long to wait until every node has pulled', '5m')
  return command.action(async (options: RunInstallOptions) => {
    checkOutput(options)
    const isAsking = options.yes !== true && options.dryRun === undefined
    const asks = isAsking && options.preflight !== true && options.complete !== true
    // Loaded here, not with every command, so that `trow serve` starts fast.
    const { runInstall } = await import('./run-install.ts')
    try {
      finish(await runInstall(options, terminal))
    } catch (error) {
      throw asks && terminal.stdin.isTTY !== true ? alsoUnconfirmed(error) : error
    }
  })
}

/**
 * Without a terminal, an error also mentions the confirmation that would fail next, so that one run reports
 * everything.
 */
function alsoUnconfirmed(error: unknown): unknown {
  if (!(error instanceof UserError) || error.code === 'CONFIRMATION_NEEDED') return error
  const { code, message, hint, exitCode: exit } = error
  const also = 'Nobody is there to confirm, either: add --yes.'
  return new UserError(code, message, {
    hint: hint === undefined ? also : `${hint} ${also}`,
    exitCode: exit,
    cause: error,
  })
}

function list(text: string): readonly string[] {
  return text.split(',').map((each) => each.trim())
}

function checkOutput({ output, dryRun, preflight: only, withBaseline = false }: RunInstallOptions): void {
  if (withBaseline && dryRun !== 'client')
    throw new UserError('OPTIONS_CONFLICT', '--with-baseline goes with --dry-run=client alone', {
      hint: 'An install makes the first policy by itself, once, in a cluster that has none.',
      exitCode: exitCode.usage,
    })
  if (output !== 'short' || only === true) return
  throw new UserError('OPTIONS_CONFLICT', '-o short is a form of the checks', {
    hint: 'Add --preflight.',
    exitCode: exitCode.usage,
  })
}
