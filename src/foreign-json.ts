import { z } from 'zod'
import { foreignWords } from './foreign-words.ts'

/** The default limit of a document, in bytes. */
const usualLimit = 1024 * 1024

/** UTF-16 units of a place in a message: its names may come from the document. */
const longestPlace = 200

/**
 * A JSON document of another program that cannot be used. The message names the place and the expected type,
 * never the value that was found, which may be a secret.
 */
export class ForeignJsonError extends Error {
  constructor(reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause })
    this.name = 'ForeignJsonError'
  }
}

/**
 * Parses JSON of another program or machine, such as a registry, an engine, the API server, an archive or a
 * file of the machine (RFC 8259, UTF-8). Returns only what the schema describes. `limit` is in bytes. Throws
 * ForeignJsonError.
 */
export function parseForeignJson<Schema extends z.ZodType>(
  content: string | Uint8Array,
  schema: Schema,
  limit = usualLimit,
): z.infer<Schema> {
  if (content.length > limit) throw new ForeignJsonError(`it has more than ${limit} bytes`)
  let value: unknown
  try {
    value = JSON.parse(typeof content === 'string' ? content : Buffer.from(content).toString('utf8'))
  } catch (cause) {
    // The parser's message quotes the text, which may be a secret.
    throw new ForeignJsonError('it is no JSON', cause)
  }
  return checkForeign(value, schema)
}

/** Checks a value that was parsed already as `parseForeignJson` does. Throws ForeignJsonError. */
export function checkForeign<Schema extends z.ZodType>(value: unknown, schema: Schema): z.infer<Schema> {
  const parsed = schema.safeParse(value, { error: foreignWords })
  if (parsed.success) return parsed.data
  throw new ForeignJsonError(problemOf(parsed.error), parsed.error)
}

/** As `parseForeignJson`, but returns `undefined` if the document cannot be used. */
export function tryForeignJson<Schema extends z.ZodType>(
  content: string | Uint8Array | undefined,
  schema: Schema,
  limit?: number,
): z.infer<Schema> | undefined {
  if (content === undefined) return undefined
  try {
    return parseForeignJson(content, schema, limit)
  } catch (error) {
    if (error instanceof ForeignJsonError) return undefined
    throw error
  }
}

/** `tags[0] is not text`; `it` is the whole document. */
function problemOf({ issues: [issue] }: z.ZodError): string {
  if (issue === undefined) return 'it does not fit'
  const place = placeOf(issue.path)
  return `${place.length > longestPlace ? `${place.slice(0, longestPlace)}…` : place} ${issue.message}`
}

/** A name alone needs no marks, whatever is in it: `settings.json`. */
function placeOf(path: readonly PropertyKey[]): string {
  const [first, ...rest] = path
  if (first === undefined) return 'it'
  return rest.length === 0 && typeof first === 'string' ? first : z.core.toDotPath(path)
}
