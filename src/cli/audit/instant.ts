import { exitCode, UserError } from '../../user-error.ts'
import { parseDuration } from '../../settings/quantities.ts'

/** Parses `1h` (ago) or ISO 8601 to milliseconds since the epoch. Throws UserError TIME_INVALID. */
export function parseInstant(option: string, text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined
  const ago = parseDuration(text)
  if (ago !== undefined) return now - ago
  const instant = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(instant)) return instant
  throw new UserError('TIME_INVALID', `${option}: "${text}" is no time`, {
    hint: 'Write how long ago (30m, 1h, 7d) or a time such as 2026-11-24T07:00:00Z.',
    exitCode: exitCode.usage,
  })
}
