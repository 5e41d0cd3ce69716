import type { AuditEvent } from '../../audit/event-schema.ts'
import type { VerifyEvent } from '../../audit/verify.ts'
import { counted } from '../../counted.ts'
import { fitCell, gap, printTable, type CellRoles, type Look } from '../table.ts'
import { visibleLine } from '../../visible-text.ts'

/** `wide` adds the client's address and the reason, and cuts nothing. */
export type TableForm = 'table' | 'wide'

/** Control characters are printed as escapes. */
export function eventTable(events: readonly AuditEvent[], form: TableForm, look: Look | undefined): string {
  const whole = look === undefined ? undefined : { ...look, width: undefined }
  return form === 'wide'
    ? printTable([wideHead, ...events.map(wideCells)], whole, resultRoles)
    : printTable([head, ...events.map(cells)], look, resultRoles)
}

const head = ['TIME', 'RESULT', 'ACTION', 'USER', 'WHAT']
const wideHead = ['TIME', 'RESULT', 'ACTION', 'USER', 'FROM', 'WHAT', 'WHY']

const resultRoles: CellRoles = {
  RESULT: (result) => (result === 'deny' ? 'warning' : result === 'error' ? 'bad' : undefined),
}

/** Returns one line of a table whose end is not known. */
export function eventRow(event: AuditEvent, form: TableForm, look: Look | undefined): string {
  if (form === 'wide') return wideCells(event).join('  ')
  const width = look?.width
  const isNarrow = width !== undefined && width < 90
  const widths = { result: 6, action: 8, user: isNarrow ? 12 : 22 }
  const [date = '', result = '', action = '', user = '', subject = ''] = cells(event)
  const time = isNarrow ? date.slice(11, 19) : date
  const before = time.length + widths.result + widths.action + widths.user + 4 * gap
  const fit = (text: string, room: number): string =>
    fitCell(text, width === undefined ? undefined : room, look)
  const line = [
    time,
    fit(result, widths.result).padEnd(widths.result),
    fit(action, widths.action).padEnd(widths.action),
    fit(user, widths.user).padEnd(widths.user),
    fit(subject, Math.max(16, (width ?? 0) - before - 1)),
  ]
  return line.join(' '.repeat(gap)).trimEnd()
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
    lines === 0
      ? 'no lines'
      : `${counted(lines, 'line')} (${first} to ${last}) in ${counted(segments, 'segment')}`
  const gone = pruned === 0 ? '' : `, 1 to ${pruned} removed by retention`
  const compared =
    head === undefined
      ? ', no signed head to compare with'
      : `, head of line ${head.seq} signed at ${head.time}`
  const elsewhere =
    witness === undefined ? '' : `, in the cluster that of line ${witness.seq} signed at ${witness.time}`
  return `${log}: ${what}${gone}${compared}${elsewhere}: ${problems === 0 ? 'all is well' : counted(problems, 'problem')}`
}

function cells(event: AuditEvent): string[] {
  const { data, subject } = event
  const { time, result, action } = plainCells(event)
  const why = data.decision === 'allow' ? undefined : data.reason
  const what = [subject, why].filter((part) => part !== undefined).join(': ') || '-'
  return [time, result, action, data.actor?.user ?? '-', `${what}${timesOf(event)}`].map(visibleLine)
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
