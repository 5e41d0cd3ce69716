import { Command, Option } from 'commander'
import type { GarbageEvent } from '../../registry/garbage.ts'
import type { KeptUntagged } from '../../registry/untagged-policy.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { askServer, readEvents } from '../control/control-client.ts'
import { createLogger } from '../../serve/logger.ts'
import type { CommandContext } from '../command-context.ts'
import { humanSize } from '../../settings/quantities.ts'
import { addSettingOptions, settingsOf } from '../setting-options.ts'
import type { ResolvedSettings } from '../../settings/settings.ts'
import { GarbageSchedule } from '../../serve/garbage/garbage-schedule.ts'
import { openLocalStores } from './local-stores.ts'

export function gcCommand({ terminal }: CommandContext): Command {
  const command = new Command('gc')
    .description(
      'collect garbage now: abandoned uploads, unreferenced blobs, untagged manifests where a rule says so',
    )
    .option('--dry-run', 'say what would go and why, change nothing')
    .addOption(new Option('-o, --output <format>', 'text or json').choices(['text', 'json']).default('text'))
  addSettingOptions(command, ['data', 'gc-grace', 'upload-expiry'])
  return command.action(async (options: Record<string, unknown>) => {
    const { settings, origins } = await settingsOf(options, terminal)
    const dryRun = options['dryRun'] === true
    const json = options['output'] === 'json'
    let kept: KeptUntagged | undefined
    const totals = { items: 0, bytes: 0 }
    const show = (event: GarbageEvent): void => {
      if (event.kind === 'item') {
        totals.items++
        if (event.item.kind !== 'blob-link') totals.bytes += event.item.bytes
      }
      if (event.kind === 'busy') throw busy()
      if (event.kind === 'kept') kept = event
      if (json) terminal.exact.stdout.write(`${JSON.stringify(event)}\n`)
      else terminal.stdout.write(eventLine(event, dryRun))
    }
    const server = await askServer(settings.data, 'GET', '/served')
    server?.resume()
    if (server !== undefined) refuseOwnSettings(origins)
    const reply = await askServer(settings.data, 'POST', `/gc${dryRun ? '?dry-run' : ''}`)
    if (reply !== undefined) for await (const event of readEvents<GarbageEvent>(reply)) show(event)
    else {
      const log = createLogger({ format: 'text', level: settings['log-level'] })
      const { stores, close } = await openLocalStores(settings, log)
      try {
        for await (const event of new GarbageSchedule(stores, 0).run({ dryRun, kept: true })) show(event)
      } finally {
        await close()
      }
    }
    if (!json) {
      terminal.stdout.write(
        `${dryRun ? 'would take' : 'took'} ${totals.items} items, ${humanSize(totals.bytes)}\n`,
      )
      terminal.stdout.write(keptLines(kept))
    }
  })
}

/** A server collects by its own settings; to leave a flag out silently would delete other things than were asked for. */
function refuseOwnSettings(origins: ResolvedSettings['origins']): void {
  const given = (['gc-grace', 'upload-expiry'] as const).find((name) => origins[name] === `--${name}`)
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

function eventLine(event: GarbageEvent, dryRun: boolean): string {
  switch (event.kind) {
    case 'item': {
      const { kind, repository, subject, bytes, reason } = event.item
      const where = repository === undefined || repository === subject ? '' : ` of ${repository}`
      const size = bytes > 0 ? ` (${humanSize(bytes)})` : ''
      return `${dryRun ? 'would be ' : ''}${event.action}: ${kind} ${subject}${where}${size}: ${reason}\n`
    }
    case 'suspended':
      return `nothing is deleted before ${new Date(event.until).toISOString()}: the clock has jumped, or nothing has run for longer than the grace period\n`
    case 'freed':
      return event.files > 0 ? `removed ${event.files} files\n` : ''
    case 'kept':
    case 'busy':
      return ''
  }
}

/** Why what people have deleted by tag is still there. */
function keptLines(kept: KeptUntagged | undefined): string {
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
