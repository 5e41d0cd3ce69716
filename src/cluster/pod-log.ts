import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

/** A line of pino's output. */
const entrySchema = z.object({
  level: z.number().optional(),
  msg: z.string().optional(),
  reason: z.string().optional(),
})

/**
 * The most useful message of a container's log, as one line: the last error, else the last message. Access log lines
 * and all but the head of a stack trace are skipped. Returns `undefined` if there is no message.
 */
export function toldBy(log: string): string | undefined {
  const said = log.split('\n').flatMap((line) => wordsOf(line.trim()))
  return (said.findLast(({ isError }) => isError) ?? said.at(-1))?.text
}

interface Words {
  readonly text: string
  readonly isError: boolean
}

/** Pino's level for errors. */
const errorLevel = 50

function wordsOf(line: string): readonly Words[] {
  const entry = jsonOf(line)
  if (entry !== undefined) {
    const { level = 0, msg, reason } = entry
    if (msg === undefined) return []
    return [{ text: reason === undefined ? msg : `${msg} (${reason})`, isError: level >= errorLevel }]
  }
  // The frames of a stack trace help only the program's authors.
  if (line === '' || /^(at |Node\.js v|\^|[{}])/.test(line)) return []
  return [{ text: line, isError: /error|trow:|fail/i.test(line) }]
}

function jsonOf(line: string): z.infer<typeof entrySchema> | undefined {
  return line.startsWith('{') ? tryForeignJson(line, entrySchema) : undefined
}
