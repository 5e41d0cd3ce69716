import { Command, Option } from 'commander'
import { logNames, type LogName } from '../../audit/chain.ts'
import type { KeyEvent } from '../../audit/audit-request.ts'
import type { AuditEvent } from '../../audit/event-schema.ts'
import type { AuditQuery } from '../../audit/query.ts'
import type { VerifyEvent } from '../../audit/verify.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { addSettingOptions } from '../setting-options.ts'
import { addConnectOptions } from '../registry/target.ts'
import { visibleLine } from '../../visible-text.ts'
import { stopSignal } from '../stop-signal.ts'
import { write, type Terminal } from '../streams.ts'
import type { AuditOptions } from './audit-options.ts'
import { askAudit } from './ask-audit.ts'
import { eventRow, eventTable, verifyLine, type TableForm } from './audit-table.ts'
import { parseInstant } from './instant.ts'

type Options = AuditOptions

/** As many are looked at to find how wide columns must be. */
const measured = 1000

/** `trow audit`: who did what, from the log of a folder, or through the registry whose log it is. */
export function auditCommand(context: CommandContext): Command {
  const command = new Command('audit').description('who did what: search, follow and verify the audit log')
  command.addCommand(queryCommand(context))
  command.addCommand(followCommand(context))
  command.addCommand(verifyCommand(context))
  return command
}

function queryCommand({ terminal }: CommandContext): Command {
  const command = new Command('query')
    .description('the newest events that fit, oldest first')
    .option('--since <time>', 'as ISO 8601 or so long ago: 2026-11-24T07:00:00Z, 1h, 7d')
    .option('--until <time>', 'as --since')
    .option('--limit <n>', 'how many at most', '100')
    .addOption(outputOption(['table', 'wide', 'json', 'jsonl'], 'table'))
  return addPlaceOptions(addFilters(command)).action(async (options: Options) => {
    const limit = Number(options['limit'])
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new UserError(
        'CONFIG_INVALID',
        `--limit: "${String(options['limit'])}" is no whole number above 0`,
        {
          exitCode: exitCode.usage,
        },
      )
    }
    const request = { kind: 'query', query: queryOf(options), limit } as const
    const events = askAudit(options, terminal, request) as AsyncGenerator<AuditEvent>
    const output = options['output'] as 'json' | 'jsonl' | TableForm
    if (output === 'json') await printJson(events, terminal)
    else if (output === 'jsonl')
      for await (const event of events) await write(terminal.exact.stdout, `${JSON.stringify(event)}\n`)
    else await printRows(events, output, terminal)
  })
}

/** An array, as JSON.stringify would print it. */
async function printJson(events: AsyncIterable<AuditEvent>, { exact: { stdout } }: Terminal): Promise<void> {
  let count = 0
  for await (const event of events) {
    const text = JSON.stringify(event, undefined, 2).replaceAll('\n', '\n  ')
    await write(stdout, `${count++ === 0 ? '[' : ','}\n  ${text}`)
  }
  await write(stdout, count === 0 ? '[]\n' : '\n]\n')
}

async function printRows(
  events: AsyncIterable<AuditEvent>,
  form: TableForm,
  { stdout, stderr }: Terminal,
): Promise<void> {
  const first: AuditEvent[] = []
  let isPrinted = false
  for await (const event of events) {
    if (isPrinted) await write(stdout, `${eventRow(event, form)}\n`)
    else if (first.push(event) === measured) {
      await write(stdout, eventTable(first, form))
      isPrinted = true
    }
  }
  if (isPrinted) return
  if (first.length === 0) stderr.write('no event fits\n')
  else await write(stdout, eventTable(first, form))
}

function followCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('follow')
    .description('events as they come, until it is interrupted')
    .addOption(outputOption(['table', 'wide', 'jsonl'], 'table'))
  return addPlaceOptions(addFilters(command)).action(async (options: Options) => {
    const { signal, by, stop } = stopSignal(terminal)
    try {
      const request = { kind: 'follow', query: queryOf(options) } as const
      for await (const event of askAudit(options, terminal, request, signal)) {
        // Of a folder it is told as well where it is.
        if ('kind' in event) continue
        const output = options['output'] as 'jsonl' | TableForm
        if (output === 'jsonl') await write(terminal.exact.stdout, `${JSON.stringify(event)}\n`)
        else await write(terminal.stdout, `${eventRow(event as AuditEvent, output)}\n`)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      stop()
    }
    if (signal.aborted) finish(by() === 'SIGINT' ? exitCode.interrupted : 0)
  })
}

function verifyCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('verify')
    .description('prove that no line was edited, moved, put in, removed or cut off')
    .addOption(new Option('--log <name>', 'only this one').choices(logNames))
    .option('--key <verifier>', 'with --folder: what --show-key printed, to believe records of retention')
    .option('--show-key', 'print the public key that heads are signed with, and end')
    .addOption(outputOption(['text', 'json'], 'text'))
    .addHelpText(
      'after',
      '\nExit code 0: all is well; 79: problems were found. Without a head that is kept elsewhere a cut end cannot be seen.',
    )
  return addPlaceOptions(command).action(async (options: Options) => {
    if (options['showKey'] === true) {
      for await (const event of askAudit(options, terminal, { kind: 'key' })) {
        const { verifier } = event as KeyEvent
        if (verifier === undefined) throw new UserError('AUDIT_MISSING', 'no head has been signed yet')
        terminal.stdout.write(`${verifier}\n`)
      }
      return
    }
    let problems = 0
    const request = {
      kind: 'verify',
      log: options['log'] as LogName | undefined,
      key: options['key'] as string | undefined,
    } as const
    for await (const each of askAudit(options, terminal, request)) {
      const event = each as VerifyEvent
      if (event.kind === 'problem') problems++
      if (options['output'] === 'json') terminal.exact.stdout.write(`${JSON.stringify(event)}\n`)
      else terminal.stdout.write(`${visibleLine(verifyLine(event))}\n`)
    }
    finish(problems > 0 ? exitCode.problemsFound : 0)
  })
}

function addFilters(command: Command): Command {
  return command
    .option('--user <name>', 'who; * stands for any characters')
    .option('--repository <pattern>', 'such as team-a/** or app')
    .addOption(new Option('--decision <decision>', 'how it ended').choices(['allow', 'deny', 'error']))
    .option('--action <action>', 'such as pull, push, delete, mount')
    .option('--digest <digest>', 'of a manifest or blob')
}

/** Without any of them: the registry in the cluster of the kube context, else ./trow-data. */
function addPlaceOptions(command: Command): Command {
  addSettingOptions(command, ['data'])
  command.option('--folder <folder>', 'a folder with an audit log, instead of that of --data')
  return addConnectOptions(command)
}

function outputOption(choices: readonly string[], initial: string): Option {
  return new Option('-o, --output <format>', choices.join(', ')).choices(choices).default(initial)
}

function queryOf(options: Options): AuditQuery {
  const text = (name: string): string | undefined => options[name] as string | undefined
  const now = Date.now()
  return {
    user: text('user'),
    repository: text('repository'),
    decision: text('decision'),
    action: text('action'),
    digest: text('digest'),
    since: parseInstant('--since', text('since'), now),
    until: parseInstant('--until', text('until'), now),
  }
}
