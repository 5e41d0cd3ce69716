import { Command, Option } from 'commander'
import { exitCode, UserError } from '../../user-error.ts'
import { addClusterOptions } from '../cluster/cluster-options.ts'
import type { CommandContext } from '../command-context.ts'
import { addInstallOptions } from './install-options.ts'
import type { Options } from './run-options.ts'

/** How an install is carried out, and what is said of it. */
export function installCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('install').description(
    'put the registry into the current cluster, or bring the one there up to date, and have every node pull from it',
  )
  addInstallOptions(addClusterOptions(command))
    .option('-y, --yes', 'do not ask')
    .addOption(new Option('--dry-run <where>', 'change nothing').choices(['client', 'server']))
    .addOption(
      new Option('-o, --output <format>', 'print manifests, or checks').choices(['yaml', 'json', 'short']),
    )
    .option('--preflight', 'only look whether it can be installed')
    .option('--ignore-preflight <ids>', 'go on in spite of these checks: storage,clock or all', list)
    .option('--force', 'move into a namespace of others, take over from Helm, Argo CD or Flux')
    .option('--force-conflicts', 'take over fields that other field managers own')
    .option('--prune', 'remove objects of an earlier install that are not wanted any more')
    .addOption(
      new Option('--complete', 'what the Job of the --dry-run=client set runs in the cluster').hideHelp(),
    )
    .option('--timeout <time>', 'how long to wait until every node has pulled', '5m')
  return command.action(async (options: Options) => {
    checkOutput(options)
    const isAsking = options.yes !== true && options.dryRun === undefined
    const asks = isAsking && options.preflight !== true && options.complete !== true
    // Loaded here, not with every command: `trow serve` is to start fast.
    const { runInstall } = await import('./run-install.ts')
    try {
      finish(await runInstall(options, terminal))
    } catch (error) {
      throw asks && terminal.stdin.isTTY !== true ? alsoUnconfirmed(error) : error
    }
  })
}

/** Without a terminal all that keeps an install back is said in one run: the question that would come later, too. */
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

function checkOutput({ output, dryRun, preflight: only }: Options): void {
  if (output === undefined || only === true || (dryRun !== undefined && output !== 'short')) return
  throw new UserError('OPTIONS_CONFLICT', `-o ${output} says what would be installed`, {
    hint: 'Add --dry-run=client or --dry-run=server, or --preflight for the checks.',
    exitCode: exitCode.usage,
  })
}
