import { Command } from 'commander'
import { checkStorage, type FsckEvent } from '../../registry/fsck.ts'
import { exitCode } from '../../user-error.ts'
import { askServer, readEvents } from '../control/control-client.ts'
import { createLogger } from '../../serve/logger.ts'
import type { CommandContext } from '../command-context.ts'
import { counted } from '../../counted.ts'
import { longWork } from '../progress/long-work.ts'
import { outputOption, type Output } from '../result/output.ts'
import { printLine, printResult, type Result } from '../result/print-result.ts'
import { addSettingOptions, settingsOf, storageSettingNames } from '../setting-options.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import { contentsText } from './contents-text.ts'
import type { Terminal } from '../streams.ts'
import { openLocalStores } from './local-stores.ts'
import { examples } from '../help/examples.ts'

export function fsckCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('fsck')
    .description('prove every blob and manifest against its digest; find lost, orphaned and dangling content')
    .addHelpText(...examples('trow fsck', 'trow fsck --repair --data /var/lib/trow'))
    .option('--repair', 'remove what is lost or damaged, so that pushing it again heals; remove orphans')
    .addOption(outputOption('text', 'json', 'yaml', 'jsonl'))
    .addHelpText('after', '\nExit code 0: all is well; 79: problems were found (and not all repaired).')
  addSettingOptions(command, storageSettingNames)
  return command.action(async (options: Record<string, unknown>) => {
    const { settings } = await settingsOf(options, terminal)
    const output = options['output'] as Output
    const isRepairing = options['repair'] === true
    const problems: StorageProblem[] = []
    const kept = (): string =>
      isRepairing
        ? `What was repaired stays; of what was not read, nothing is known: ${counted(problems.length, 'problem')} until then.`
        : `Nothing was changed; of what was not read, nothing is known: ${counted(problems.length, 'problem')} until then.`
    await longWork(terminal, { output, kept }, async ({ signal, progress }) => {
      for await (const event of events(settings, terminal.env, { repair: isRepairing, signal })) {
        if (event.kind === 'progress') progress.set(event.bytes, event.totalBytes)
        else if (event.kind === 'problem') {
          const problem = problemOf(event)
          problems.push(problem)
          if (output === 'jsonl') await printLine('StorageProblem', problem, terminal)
          else if (output === 'text') {
            progress.hide()
            terminal.stdout.write(problemLine(problem))
          }
        } else {
          progress.end()
          const { blobs, bytes, manifests, problems: found, repaired } = event
          const summary = { blobs, bytes, manifests, found, repaired }
          if (output === 'jsonl') await printLine('StorageCheck', summary, terminal)
          else if (output === 'text') terminal.stdout.write(summaryLine(summary))
          else await printResult('StorageCheck', { ...summary, problems }, output, terminal)
          finish(found > repaired ? exitCode.problemsFound : 0)
        }
      }
    })
  })
}

type StorageProblem = Result<'StorageProblem'>

function problemOf(event: Extract<FsckEvent, { kind: 'problem' }>): StorageProblem {
  const { problem, subject, repositories, detail, repaired: isRepaired } = event
  return { problem, subject, repositories, detail, isRepaired }
}

async function* events(
  settings: Settings,
  env: Terminal['env'],
  { repair, signal }: { readonly repair: boolean; readonly signal: AbortSignal },
): AsyncGenerator<FsckEvent> {
  const reply = await askServer(settings.data, 'POST', `/fsck${repair ? '?repair' : ''}`)
  if (reply !== undefined) {
    signal.addEventListener('abort', () => reply.destroy())
    return yield* readEvents<FsckEvent>(reply)
  }
  const log = createLogger({ format: 'text', level: settings['log-level'] })
  const { stores, close } = await openLocalStores(settings, { log, env })
  try {
    yield* checkStorage(stores, { repair, rate: 0, signal })
  } finally {
    await close()
  }
}

function problemLine({ problem, subject, repositories, detail, isRepaired }: StorageProblem): string {
  const where = repositories.length === 0 ? '' : ` in ${repositories.join(', ')}`
  return `${problem}: ${subject}${where}: ${detail}${isRepaired ? ' (repaired)' : ''}\n`
}

function summaryLine({ found, repaired, ...contents }: Result<'StorageCheck'>): string {
  const verdict = found === 0 ? 'all is well' : `${counted(found, 'problem')}, ${repaired} repaired`
  return `${contentsText(contents)} checked: ${verdict}\n`
}
