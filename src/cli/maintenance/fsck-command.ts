import { Command, Option } from 'commander'
import { checkStorage, type FsckEvent } from '../../registry/fsck.ts'
import { exitCode } from '../../user-error.ts'
import { askServer, readEvents } from '../control/control-client.ts'
import { createLogger } from '../../serve/logger.ts'
import type { CommandContext } from '../command-context.ts'
import { humanSize } from '../../settings/quantities.ts'
import { addSettingOptions, settingsOf } from '../setting-options.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import { openSpinner } from '../spinner.ts'
import { openLocalStores } from './local-stores.ts'

export function fsckCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('fsck')
    .description('prove every blob and manifest against its digest; find lost, orphaned and dangling content')
    .option('--repair', 'remove what is lost or damaged, so that pushing it again heals; remove orphans')
    .addOption(new Option('-o, --output <format>', 'text or json').choices(['text', 'json']).default('text'))
    .addHelpText('after', '\nExit code 0: all is well; 79: problems were found (and not all repaired).')
  addSettingOptions(command, ['data'])
  return command.action(async (options: Record<string, unknown>) => {
    const { settings } = await settingsOf(options, terminal)
    const json = options['output'] === 'json'
    const progress = await openSpinner(terminal)
    let left = 0
    for await (const event of events(settings, options['repair'] === true)) {
      if (event.kind === 'progress') {
        progress.start(
          `${event.blobs} of ${event.totalBlobs} blobs, ${humanSize(event.bytes)} of ${humanSize(event.totalBytes)}`,
        )
        if (json) terminal.exact.stdout.write(`${JSON.stringify(event)}\n`)
        continue
      }
      progress.stop()
      if (event.kind === 'summary') left = event.problems - event.repaired
      if (json) terminal.exact.stdout.write(`${JSON.stringify(event)}\n`)
      else terminal.stdout.write(eventLine(event))
    }
    progress.stop()
    finish(left > 0 ? exitCode.problemsFound : 0)
  })
}

async function* events(settings: Settings, repair: boolean): AsyncGenerator<FsckEvent> {
  const reply = await askServer(settings.data, 'POST', `/fsck${repair ? '?repair' : ''}`)
  if (reply !== undefined) return yield* readEvents<FsckEvent>(reply)
  const log = createLogger({ format: 'text', level: settings['log-level'] })
  const { stores, close } = await openLocalStores(settings, log)
  try {
    yield* checkStorage(stores, { repair, rate: 0 })
  } finally {
    await close()
  }
}

function eventLine(event: Exclude<FsckEvent, { kind: 'progress' }>): string {
  if (event.kind === 'problem') {
    const { problem, subject, repositories, detail, repaired } = event
    const where = repositories.length === 0 ? '' : ` in ${repositories.join(', ')}`
    return `${problem}: ${subject}${where}: ${detail}${repaired ? ' (repaired)' : ''}\n`
  }
  const { blobs, bytes, manifests, problems, repaired } = event
  const verdict = problems === 0 ? 'all is well' : `${problems} problems, ${repaired} repaired`
  return `${blobs} blobs (${humanSize(bytes)}) and ${manifests} manifests checked: ${verdict}\n`
}
