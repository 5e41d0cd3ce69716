import { Command } from 'commander'
import type { GarbageEvent } from '../../registry/garbage.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { askServer, readEvents } from '../control/control-client.ts'
import { createLogger } from '../../serve/logger.ts'
import type { CommandContext } from '../command-context.ts'
import { humanSize } from '../../settings/quantities.ts'
import { counted } from '../../counted.ts'
import type { Terminal } from '../streams.ts'
import { addSettingOptions, settingsOf, storageSettingNames } from '../setting-options.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import { longWork } from '../progress/long-work.ts'
import { outputOption, type Output } from '../result/output.ts'
import { printLine, printResult, type Result } from '../result/print-result.ts'
import type { ResolvedSettings } from '../../settings/settings.ts'
import { GarbageSchedule } from '../../serve/garbage/garbage-schedule.ts'
import { GarbageTold, type GarbageItem } from './garbage-told.ts'
import { openLocalStores } from './local-stores.ts'
import { examples } from '../help/examples.ts'

export function gcCommand({ terminal }: CommandContext): Command {
  const command = new Command('gc')
    .description(
      'collect garbage now: abandoned uploads, unreferenced blobs, untagged manifests where a rule says so',
    )
    .addHelpText(...examples('trow gc --dry-run', 'trow gc --data /var/lib/trow -o json'))
    .option('--dry-run', 'say what would go and why, change nothing')
    .addOption(outputOption('text', 'json', 'yaml', 'jsonl'))
  addSettingOptions(command, [...storageSettingNames, 'gc-grace', 'upload-expiry', 'delete-delay'])
  return command.action(async (options: Record<string, unknown>) => {
    const { settings, origins } = await settingsOf(options, terminal)
    const dryRun = options['dryRun'] === true
    const output = options['output'] as Output
    const server = await askServer(settings.data, 'GET', '/served')
    server?.resume()
    if (server !== undefined) refuseOwnSettings(origins)
    const told = new GarbageTold(dryRun)
    const kept = dryRun
      ? 'Nothing was changed.'
      : 'What was removed stays removed; the next collection goes on from there.'
    await longWork(terminal, { output, kept }, async ({ signal, progress }) => {
      for await (const event of events(settings, terminal.env, { dryRun, signal })) {
        if (event.kind === 'busy') throw busy()
        const item = told.note(event)
        if (item !== undefined && output === 'jsonl') await printLine('GarbageItem', item, terminal)
        progress.add(item?.bytes ?? 0)
        if (output !== 'text') continue
        progress.hide()
        terminal.stdout.write(eventLine(event, item, dryRun))
      }
    })
    if (output === 'text') terminal.stdout.write(`${told.text()}\n${keptLines(told.kept)}`)
    else await printResult('GarbageCollection', told.result(output !== 'jsonl'), output, terminal)
  })
}

async function* events(
  settings: Settings,
  env: Terminal['env'],
  { dryRun, signal }: { readonly dryRun: boolean; readonly signal: AbortSignal },
): AsyncGenerator<GarbageEvent> {
  const reply = await askServer(settings.data, 'POST', `/gc${dryRun ? '?dry-run' : ''}`)
  if (reply !== undefined) {
    signal.addEventListener('abort', () => reply.destroy())
    return yield* readEvents<GarbageEvent>(reply)
  }
  const log = createLogger({ format: 'text', level: settings['log-level'] })
  const { stores, close } = await openLocalStores(settings, { log, env })
  try {
    for await (const event of new GarbageSchedule(stores, () => 0).run({
      dryRun,
      orphans: 'always',
      kept: true,
    })) {
      signal.throwIfAborted()
      yield event
    }
  } finally {
    await close()
  }
}

/**
 * A server collects by its own settings. A flag that was ignored silently would delete other things than the
 * user asked for.
 */
function refuseOwnSettings(origins: ResolvedSettings['origins']): void {
  const given = (['gc-grace', 'upload-expiry', 'delete-delay'] as const).find(
    (name) => origins[name] === `--${name}`,
  )
  if (given === undefined) return
  throw new UserError(
    'CONFIG_INVALID',
    `--${given} has no effect here: the folder is served, with settings of its own`,
    {
      hint: `Set ${given} for trow serve, or stop it and run this again.`,
      exitCode: exitCode.usage,
    },
  )
}

function eventLine(event: GarbageEvent, item: GarbageItem | undefined, dryRun: boolean): string {
  if (item !== undefined) {
    const { action, type, repository, subject, bytes, reason } = item
    const where = repository === undefined || repository === subject ? '' : ` of ${repository}`
    const size = bytes > 0 ? ` (${humanSize(bytes)})` : ''
    return `${dryRun ? 'would be ' : ''}${action}: ${type} ${subject}${where}${size}: ${reason}\n`
  }
  if (event.kind === 'suspended') return suspendedLine(event)
  if (event.kind === 'lost-blob')
    return `lost: ${event.digest} of ${event.repositories.join(', ')}: its bytes are gone; push it again\n`
  return event.kind === 'freed' && event.files > 0 ? `removed ${counted(event.files, 'file')}\n` : ''
}

function suspendedLine(event: Extract<GarbageEvent, { kind: 'suspended' }>): string {
  const until = new Date(event.until).toISOString()
  switch (event.reason) {
    case 'clock-jumped':
      return `nothing is deleted before ${until}: the clock has jumped, or nothing has run for longer than the grace period\n`
    case 'commits-lost':
      return [
        `nothing is deleted before ${until}: the database has lost commits, which was noticed at ${new Date(event.at).toISOString()}`,
        '  it was restored, or a standby without them became the primary; trow fsck says what is missing now\n',
      ].join('\n')
    case 'two-databases':
      return [
        `nothing is deleted before ${until}: another database answers for the same blobs`,
        ...event.writers.map((writer) => `  ${writer}`),
        '  end what serves that one, or give it a bucket of its own\n',
      ].join('\n')
  }
}

/** Returns why manifests whose tag was deleted still exist. */
function keptLines(kept: Result<'GarbageCollection'>['keptUntagged']): string {
  if (kept === undefined || kept.manifests === 0) return ''
  const { manifests, repositories, names } = kept
  const [isOne, more] = [manifests === 1, repositories - names.length]
  const where = `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  return [
    `${manifests} untagged manifest${isOne ? '' : 's'} ${isOne ? 'is' : 'are'} kept: no rule of \`untagged\` is set for ${where}`,
    `  trow list ${names[0]} --untagged shows ${isOne ? 'it' : 'them'}; trow rm ${names[0]}@DIGEST removes one`,
    '',
  ].join('\n')
}

function busy(): UserError {
  return new UserError('GARBAGE_BUSY', 'a collection of garbage or a backup is running', {
    hint: 'Try again when it is done.',
  })
}
