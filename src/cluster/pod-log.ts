import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

/** A line of the log; pods of earlier versions wrote pino's numbers for the level. */
const entrySchema = z.object({
  level: z.union([z.string(), z.number()]).optional(),
  msg: z.string().optional(),
  reason: z.string().optional(),
})

/**
 * The most useful message of a container's log, as one line: the last error, else the last message. Access log lines
 * and all but the head of a stack trace are skipped. Returns `undefined` if there is no message.
 */
export function lastLogMessage(log: string): string | undefined {
  const said = log.split('\n').flatMap((line) => messagesOf(line.trim()))
  return (said.findLast(({ isError }) => isError) ?? said.at(-1))?.text
}

interface LogMessage {
  readonly text: string
  readonly isError: boolean
}

const errorLevels: ReadonlySet<unknown> = new Set(['error', 'fatal', 50, 60])

function messagesOf(line: string): readonly LogMessage[] {
  const entry = jsonOf(line)
  if (entry !== undefined) {
    const { level, msg, reason } = entry
    if (msg === undefined) return []
    return [{ text: reason === undefined ? msg : `${msg} (${reason})`, isError: errorLevels.has(level) }]
  }
  // The frames of a stack trace help only the program's authors.
  if (line === '' || /^(at |Node\.js v|\^|[{}])/.test(line)) return []
  return [{ text: line, isError: /error|trow:|fail/i.test(line) }]
}

function jsonOf(line: string): z.infer<typeof entrySchema> | undefined {
  return line.startsWith('{') ? tryForeignJson(line, entrySchema) : undefined
}
