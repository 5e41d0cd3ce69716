import { Command, Option } from 'commander'
import { logNames, type LogName } from '../../audit/chain.ts'
import type { AuditEvent, AuditQuery } from '../../audit/query.ts'
import type { VerifyEvent } from '../../audit/verify.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../program.ts'
import { addSettingOptions } from '../serve/command.ts'
import { askAudit } from './ask-audit.ts'
import type { KeyEvent } from './audit-source.ts'
import { eventRow, eventTable, verifyLine } from './audit-table.ts'
import { parseInstant } from './instant.ts'

type Options = Readonly<Record<string, string | boolean | undefined>>

/** `trow audit`: who did what, from the log of a folder or through the server that serves it. */
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
    .addOption(outputOption(['table', 'json', 'jsonl'], 'table'))
  return addFolderOptions(addFilters(command)).action(async (options: Options) => {
    const limit = Number(options['limit'])
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new UserError('CONFIG_INVALID', `--limit: "${options['limit']}" is no whole number above 0`, {
        exitCode: exitCode.usage,
      })
    }
    const events: AuditEvent[] = []
    const query = queryOf(options)
    for await (const event of askAudit(options, terminal, { kind: 'query', query, limit })) {
      events.push(event as AuditEvent)
    }
    const output = options['output']
    if (output === 'json') terminal.stdout.write(`${JSON.stringify(events, undefined, 2)}\n`)
    else if (output === 'jsonl')
      for (const event of events) terminal.stdout.write(`${JSON.stringify(event)}\n`)
    else if (events.length === 0) terminal.stderr.write('no event fits\n')
    else terminal.stdout.write(eventTable(events))
  })
}

function followCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('follow')
    .description('events as they come, until it is interrupted')
    .addOption(outputOption(['table', 'jsonl'], 'table'))
  return addFolderOptions(addFilters(command)).action(async (options: Options) => {
    const abort = new AbortController()
    const forget = terminal.onStop((signal) => {
      finish(signal === 'SIGINT' ? 130 : 0)
      abort.abort()
    })
    try {
      const request = { kind: 'follow', query: queryOf(options) } as const
      for await (const event of askAudit(options, terminal, request, abort.signal)) {
        const line = options['output'] === 'jsonl' ? JSON.stringify(event) : eventRow(event as AuditEvent)
        terminal.stdout.write(`${line}\n`)
      }
    } catch (error) {
      if (!abort.signal.aborted) throw error
    } finally {
      forget()
    }
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
  return addFolderOptions(command).action(async (options: Options) => {
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
      terminal.stdout.write(`${options['output'] === 'json' ? JSON.stringify(event) : verifyLine(event)}\n`)
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

function addFolderOptions(command: Command): Command {
  addSettingOptions(command, ['data'])
  return command.option('--folder <folder>', 'a folder with an audit log, instead of that of --data')
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
