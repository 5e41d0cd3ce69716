import type { AuditEvent } from '../../audit/query.ts'
import type { VerifyEvent } from '../../audit/verify.ts'
import { printTable } from '../registry/table.ts'

/** Together with two spaces between them: 100 columns. */
const widths = { time: 20, result: 6, action: 8, user: 22, subject: 36 } as const

/** Lines of at most 100 columns; nothing in them moves the cursor. */
export function eventTable(events: readonly AuditEvent[]): string {
  const rows = events.map(cells)
  return printTable([['TIME', 'RESULT', 'ACTION', 'USER', 'WHAT'], ...rows])
}

/** The same as one line of a table that has no end. */
export function eventRow(event: AuditEvent): string {
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
  const { log, lines, first, last, segments, pruned, head, problems } = event
  const what =
    lines === 0 ? 'no lines' : `${lines} lines (${first} to ${last}) in ${count(segments, 'segment')}`
  const gone = pruned === 0 ? '' : `, 1 to ${pruned} removed by retention`
  const compared =
    head === undefined
      ? ', no signed head to compare with'
      : `, head of line ${head.seq} signed at ${head.time}`
  return `${log}: ${what}${gone}${compared}: ${problems === 0 ? 'all is well' : count(problems, 'problem')}`
}

function cells(event: AuditEvent): string[] {
  const { data } = event
  const [, kind = '', outcome = ''] = /^io\.trow\.(\w+)\.(\w+)/.exec(event.type) ?? []
  const times = data.count !== undefined && data.decision !== undefined ? ` ×${data.count}` : ''
  const why = data.decision === 'allow' ? undefined : data.reason
  const subject = [event.subject && shortDigest(event.subject), why].filter((part) => part !== undefined)
  return [
    `${event.time.slice(0, 19)}Z`,
    fit(data.decision ?? '-', widths.result),
    fit(data.action ?? (kind === 'audit' ? outcome : kind), widths.action),
    fit(data.actor?.user ?? '-', widths.user),
    fit(subject.join(': ') || '-', widths.subject - times.length) + times,
  ]
}

/** The end of a name says more than its middle. */
function fit(text: string, width: number): string {
  const plain = text.replaceAll(/\p{C}/gu, '?')
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
