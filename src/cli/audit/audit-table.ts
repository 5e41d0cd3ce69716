import type { AuditEvent } from '../../audit/event-schema.ts'
import type { VerifyEvent } from '../../audit/verify.ts'
import { printTable } from '../registry/table.ts'
import { visibleLine } from '../../visible-text.ts'

/** Together with two spaces between them: 100 columns. */
const widths = { time: 20, result: 6, action: 8, user: 22, subject: 36 } as const

/** `wide`: with where from and why, of whatever length. */
export type TableForm = 'table' | 'wide'

/** Lines of at most 100 columns unless they are to be wide; nothing in them moves the cursor. */
export function eventTable(events: readonly AuditEvent[], form: TableForm = 'table'): string {
  const head =
    form === 'wide'
      ? ['TIME', 'RESULT', 'ACTION', 'USER', 'FROM', 'WHAT', 'WHY']
      : ['TIME', 'RESULT', 'ACTION', 'USER', 'WHAT']
  return printTable([head, ...events.map(form === 'wide' ? wideCells : cells)])
}

/** The same as one line of a table that has no end. */
export function eventRow(event: AuditEvent, form: TableForm = 'table'): string {
  if (form === 'wide') return wideCells(event).join('  ')
  const [time = '', result = '', action = '', user = '', subject = ''] = cells(event)
  const padded = [result.padEnd(widths.result), action.padEnd(widths.action), user.padEnd(widths.user)]
  return [time, ...padded, subject].join('  ').trimEnd()
}

export function verifyLine(event: VerifyEvent): string {
  if (event.kind === 'problem') {
    const { problem, log, seq, upTo, file, detail } = event
    const lines =
      seq === undefined
        ? ''
        : upTo === undefined || upTo === seq
          ? ` line ${seq}`
          : ` lines ${seq} to ${upTo}`
    return `${problem}: ${log}${lines}${file === undefined ? '' : ` in ${file}`}: ${detail}`
  }
  const { log, lines, first, last, segments, pruned, head, witness, problems } = event
  const what =
    lines === 0 ? 'no lines' : `${lines} lines (${first} to ${last}) in ${count(segments, 'segment')}`
  const gone = pruned === 0 ? '' : `, 1 to ${pruned} removed by retention`
  const compared =
    head === undefined
      ? ', no signed head to compare with'
      : `, head of line ${head.seq} signed at ${head.time}`
  const elsewhere =
    witness === undefined ? '' : `, in the cluster that of line ${witness.seq} signed at ${witness.time}`
  return `${log}: ${what}${gone}${compared}${elsewhere}: ${problems === 0 ? 'all is well' : count(problems, 'problem')}`
}

function cells(event: AuditEvent): string[] {
  const { data } = event
  const why = data.decision === 'allow' ? undefined : data.reason
  const subject = [event.subject && shortDigest(event.subject), why].filter((part) => part !== undefined)
  const times = timesOf(event)
  const { time, result, action } = plainCells(event)
  return [
    time,
    fit(result, widths.result),
    fit(action, widths.action),
    fit(data.actor?.user ?? '-', widths.user),
    fit(subject.join(': ') || '-', widths.subject - times.length) + times,
  ]
}

function wideCells(event: AuditEvent): string[] {
  const { data, subject = '-' } = event
  const { time, result, action } = plainCells(event)
  const [user = '-', from = '-', why = '-'] = [data.actor?.user, data.client?.ip, data.reason]
  return [time, result, action, user, from, `${subject}${timesOf(event)}`, why].map(visibleLine)
}

function plainCells({
  type,
  time,
  data,
}: AuditEvent): Readonly<Record<'time' | 'result' | 'action', string>> {
  const [, kind = '', outcome = ''] = /^io\.trow\.(\w+)\.(\w+)/.exec(type) ?? []
  return {
    time: `${time.slice(0, 19)}Z`,
    result: data.decision ?? '-',
    action: data.action ?? (kind === 'audit' ? outcome : kind),
  }
}

function timesOf({ data: { count, decision } }: AuditEvent): string {
  return count !== undefined && decision !== undefined ? ` ×${count}` : ''
}

/** The end of a name says more than its middle. */
function fit(text: string, width: number): string {
  const plain = visibleLine(text)
  if (plain.length <= width) return plain
  const head = Math.ceil((width - 1) / 2)
  return `${plain.slice(0, head)}…${plain.slice(plain.length - (width - 1 - head))}`
}

function shortDigest(subject: string): string {
  return subject.replace(/(sha\d+:[0-9a-f]{12})[0-9a-f]+$/, '$1')
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
