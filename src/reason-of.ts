import { inspect } from 'node:util'

/** UTF-16 units; a longer text ends with `…`. */
const longest = 8192
/** Limits for an error without a message: how many of its inner errors are read, and how many levels deep. */
const mostErrors = 8
const mostLevels = 4

const nameless = 'no reason was given'

/**
 * Returns why something failed, as text: the message of the thrown value, which may be any value. For an
 * error without a message, such as Node's AggregateError of a connection that was tried at several addresses,
 * returns the messages of its inner errors, otherwise its cause's message, its code or its name. A cause is
 * not added to a message, because it may quote a secret. The result is never empty and has at most 8,192
 * UTF-16 units. Never throws.
 */
export function reasonOf(error: unknown): string {
  try {
    return messageOf(error, mostLevels) ?? nameOf(error)
  } catch {
    // A getter of the thrown value may throw as well.
    return nameless
  }
}

/** Returns the stack for the log; the reason if there is no stack. */
export function stackOf(error: unknown): string {
  return (error instanceof Error ? error.stack : undefined) ?? reasonOf(error)
}

/** The thrown value itself if it is an error; otherwise an error with its reason. */
export function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(reasonOf(error), { cause: error })
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

/** The last resort for an error without a message: `ECONNREFUSED`, `TimeoutError`. */
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
