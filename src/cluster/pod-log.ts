import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

/** A line of pino. */
const entrySchema = z.object({
  level: z.number().optional(),
  msg: z.string().optional(),
  reason: z.string().optional(),
})

/**
 * The words of a container's log that tell a person most, in one line: the last error, else the last thing that was said.
 * Of the registry's JSON lines their message, of a stack trace its head, of requests nothing. Undefined: none are there.
 */
export function toldBy(log: string): string | undefined {
  const said = log.split('\n').flatMap((line) => wordsOf(line.trim()))
  return (said.findLast(({ isError }) => isError) ?? said.at(-1))?.text
}

interface Words {
  readonly text: string
  readonly isError: boolean
}

/** Pino's level of errors. */
const errorLevel = 50

function wordsOf(line: string): readonly Words[] {
  const entry = jsonOf(line)
  if (entry !== undefined) {
    const { level = 0, msg, reason } = entry
    if (msg === undefined) return []
    return [{ text: reason === undefined ? msg : `${msg} (${reason})`, isError: level >= errorLevel }]
  }
  // A stack trace ends in lines that say nothing to those who did not write the program.
  if (line === '' || /^(at |Node\.js v|\^|[{}])/.test(line)) return []
  return [{ text: line, isError: /error|trow:|fail/i.test(line) }]
}

function jsonOf(line: string): z.infer<typeof entrySchema> | undefined {
  return line.startsWith('{') ? tryForeignJson(line, entrySchema) : undefined
}
