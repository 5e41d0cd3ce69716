import { inspect } from 'node:util'

/** UTF-16 units; what is longer ends in `…`. */
const longest = 8192
/** Of an error without words of its own: how many of the errors in it are asked, at each of how many levels. */
const mostErrors = 8
const mostLevels = 4

const nameless = 'no reason was given'

/**
 * Why something failed, in words: the message of what was thrown, which may be anything. One without a message is asked what
 * it stands for, as Node's AggregateError of a connection that was tried at several addresses: the errors in it, else its
 * cause, else its code, else its name. No cause is told beside a message: a cause may quote what must not be shown. Never
 * empty, at most 8,192 UTF-16 units. Throws nothing.
 */
export function reasonOf(error: unknown): string {
  try {
    return messageOf(error, mostLevels) ?? nameOf(error)
  } catch {
    // A getter of what was thrown may throw as well.
    return nameless
  }
}

/** For the log: where it was thrown; of what has no stack, why. */
export function stackOf(error: unknown): string {
  return (error instanceof Error ? error.stack : undefined) ?? reasonOf(error)
}

function messageOf(error: unknown, levels: number): string | undefined {
  if (error === undefined || error === null) return undefined
  if (!isObject(error)) return textOf(typeof error === 'string' ? error : inspect(error))
  const { message, errors, cause } = error
  const own = textOf(message)
  if (own !== undefined || levels === 0) return own
  const inside = Array.isArray(errors) ? errors.slice(0, mostErrors) : []
  const reasons = new Set(inside.flatMap((each) => messageOf(each, levels - 1) ?? []))
  return textOf([...reasons].join('; ')) ?? messageOf(cause, levels - 1)
}

/** What is left of an error without words: `ECONNREFUSED`, `TimeoutError`. */
function nameOf(error: unknown): string {
  if (!isObject(error)) return nameless
  return textOf(error['code']) ?? textOf(error['name']) ?? nameless
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function textOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined
  return value.length <= longest ? value : `${value.slice(0, longest - 1)}…`.toWellFormed()
}
