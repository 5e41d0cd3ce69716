import { Command, Option } from 'commander'
import { logNames, type LogName } from '../../audit/chain.ts'
import type { AuditEvent } from '../../audit/event-schema.ts'
import type { AuditQuery } from '../../audit/query.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { lookOf, noTrunc } from '../table.ts'
import { visibleLine } from '../../visible-text.ts'
import { outputOption, type Output } from '../result/output.ts'
import { printLine, printResult, yamlText, type Result } from '../result/print-result.ts'
import { resultVersion } from '../result/result-version.ts'
import { stopSignal } from '../stop-signal.ts'
import { write, type Terminal } from '../streams.ts'
import { addAuditPlace, type AuditOptions } from './audit-options.ts'
import { askAudit } from './ask-audit.ts'
import { eventRow, eventTable, verifyLine, type TableForm } from './audit-table.ts'
import { parseAction } from './audit-action.ts'
import { parseInstant } from './instant.ts'
import { examples } from '../help/examples.ts'

type Options = AuditOptions

/** The number of events that are read to find the widths of the columns. */
const measured = 1000

/** `trow audit`: shows the audit log, from a folder or through the registry. */
export function auditCommand(context: CommandContext): Command {
  const command = new Command('audit')
    .description('search, follow and verify the audit log, which says who did what')
    .addHelpText(
      ...examples('trow audit query --since 1h', 'trow audit follow --user alice', 'trow audit verify'),
    )
  command.addCommand(queryCommand(context))
  command.addCommand(followCommand(context))
  command.addCommand(verifyCommand(context))
  return command
}

function queryCommand({ terminal }: CommandContext): Command {
  const command = new Command('query')
    .description('print the newest events that fit, oldest first')
    .addHelpText(
      ...examples(
        'trow audit query --since 1h --decision deny',
        "trow audit query --repository 'team-a/**' --action push -o jsonl",
        'trow audit query --data /var/lib/trow --limit 20',
      ),
    )
    .option(
      '--since <time>',
      'only events since then, as ISO 8601 or so long ago: 2026-11-24T07:00:00Z, 1h, 7d',
    )
    .option('--until <time>', 'only events until then, written as for --since')
    .option('--limit <n>', 'largest number of events', '100')
    .option(...noTrunc)
    .addOption(outputOption('table', 'wide', 'json', 'yaml', 'jsonl'))
  return addAuditPlace(addFilters(command)).action(async (options: Options) => {
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
    const events = askAudit(options, terminal, request)
    const output = options['output'] as 'json' | 'yaml' | 'jsonl' | TableForm
    if (output === 'json') await printJson(events, terminal)
    else if (output === 'yaml') await printYaml(events, terminal)
    else if (output === 'jsonl')
      for await (const event of events) await write(terminal.exact.stdout, `${JSON.stringify(event)}\n`)
    else await printRows(events, output, options, terminal)
  })
}

/** Prints `AuditEventList` while the events come: there may be many. */
async function printJson(events: AsyncIterable<AuditEvent>, { exact: { stdout } }: Terminal): Promise<void> {
  await write(stdout, `{\n  "apiVersion": "${resultVersion}",\n  "kind": "AuditEventList",\n  "items": [`)
  let count = 0
  for await (const event of events) {
    const text = JSON.stringify(event, undefined, 2).replaceAll('\n', '\n    ')
    await write(stdout, `${count++ === 0 ? '' : ','}\n    ${text}`)
  }
  await write(stdout, count === 0 ? ']\n}\n' : '\n  ]\n}\n')
}

/** As `printJson`, one event after the other. */
async function printYaml(events: AsyncIterable<AuditEvent>, { exact: { stdout } }: Terminal): Promise<void> {
  await write(stdout, `apiVersion: ${resultVersion}\nkind: AuditEventList\n`)
  let isEmpty = true
  for await (const event of events) {
    if (isEmpty) await write(stdout, 'items:\n')
    isEmpty = false
    await write(stdout, (await yamlText([event])).replaceAll(/^(?=.)/gm, '  '))
  }
  if (isEmpty) await write(stdout, 'items: []\n')
}

async function printRows(
  events: AsyncIterable<AuditEvent>,
  form: TableForm,
  options: Options,
  { stdout, stderr, env }: Terminal,
): Promise<void> {
  const look = lookOf(stdout, env, options)
  const first: AuditEvent[] = []
  let isPrinted = false
  for await (const event of events) {
    if (isPrinted) await write(stdout, `${eventRow(event, form, look)}\n`)
    else if (first.push(event) === measured) {
      await write(stdout, eventTable(first, form, look))
      isPrinted = true
    }
  }
  if (isPrinted) return
  if (first.length === 0) stderr.write('no event fits\n')
  else await write(stdout, eventTable(first, form, look))
}

function followCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('follow')
    .description('print events as they come, until it is interrupted')
    .addHelpText(
      ...examples('trow audit follow', "trow audit follow --user 'system:serviceaccount:ci:*' --action push"),
    )
    .option(...noTrunc)
    .addOption(outputOption('table', 'wide', 'jsonl'))
  return addAuditPlace(addFilters(command)).action(async (options: Options) => {
    const { signal, by, stop } = stopSignal(terminal)
    const look = lookOf(terminal.stdout, terminal.env, options)
    try {
      const request = { kind: 'follow', query: queryOf(options) } as const
      for await (const event of askAudit(options, terminal, request, signal)) {
        // A folder's stream also contains positions, which are not printed.
        if ('kind' in event) continue
        const output = options['output'] as 'jsonl' | TableForm
        if (output === 'jsonl') await write(terminal.exact.stdout, `${JSON.stringify(event)}\n`)
        else await write(terminal.stdout, `${eventRow(event, output, look)}\n`)
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
    .addHelpText(
      ...examples('trow audit verify --data /var/lib/trow', 'trow audit verify --log changes -o json'),
    )
    .addOption(new Option('--log <name>', 'verify only this log').choices(logNames))
    .option(
      '--key <verifier>',
      'public key that --show-key printed, to believe records of retention in --folder',
    )
    .option('--show-key', 'print the public key that heads are signed with, and end')
    .addOption(outputOption('text', 'json', 'yaml', 'jsonl'))
    .addHelpText(
      'after',
      '\nExit code 0: all is well; 79: problems were found. Without a head that is kept elsewhere a cut end cannot be seen.',
    )
  return addAuditPlace(command).action(async (options: Options) => {
    const output = options['output'] as Output
    if (options['showKey'] === true) {
      for await (const { verifier } of askAudit(options, terminal, { kind: 'key' })) {
        if (verifier === undefined) throw new UserError('AUDIT_MISSING', 'no head has been signed yet')
        if (output === 'text') terminal.stdout.write(`${verifier}\n`)
        else await printResult('AuditKey', { verifier }, output, terminal)
      }
      return
    }
    const problems: Result<'AuditProblem'>[] = []
    const logs: Result<'AuditVerification'>['logs'][number][] = []
    const request = {
      kind: 'verify',
      log: options['log'] as LogName | undefined,
      key: options['key'] as string | undefined,
    } as const
    for await (const event of askAudit(options, terminal, request)) {
      if (output === 'text') terminal.stdout.write(`${visibleLine(verifyLine(event))}\n`)
      if (event.kind === 'problem') {
        const { kind: _kind, ...problem } = event
        problems.push(problem)
        if (output === 'jsonl') await printLine('AuditProblem', problem, terminal)
      } else {
        const { kind: _kind, ...log } = event
        logs.push(log)
      }
    }
    const found = problems.length
    const all = output === 'jsonl' ? { found, logs } : { found, logs, problems }
    if (output !== 'text') await printResult('AuditVerification', all, output, terminal)
    finish(found > 0 ? exitCode.problemsFound : 0)
  })
}

function addFilters(command: Command): Command {
  return command
    .option('--user <name>', 'only events of this user; * stands for any characters')
    .option('--repository <pattern>', 'only events of these repositories, such as team-a/** or app')
    .addOption(
      new Option('--decision <decision>', 'only events that ended so').choices(['allow', 'deny', 'error']),
    )
    .addOption(
      new Option(
        '--action <action>',
        'only events of this action, such as pull, push, delete, mount',
      ).argParser(parseAction),
    )
    .option('--digest <digest>', 'only events of this manifest or blob')
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
