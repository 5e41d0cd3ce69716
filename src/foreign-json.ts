import { z } from 'zod'

/** The default limit of a document, in bytes. */
const usualLimit = 1024 * 1024

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
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [{ path, message } = { path: [], message: 'it does not fit' }] = parsed.error.issues
  throw new ForeignJsonError(printProblem({ path, message }), parsed.error)
}

/** `spec.rules[3].scope`. */
export function printPath(path: readonly PropertyKey[]): string {
  return z.core.toDotPath(path)
}

/** `spec.rules[3].scope: must be …`; the message alone where the whole document is meant. */
export function printProblem({
  path,
  message,
}: {
  readonly path: readonly PropertyKey[]
  readonly message: string
}): string {
  return path.length === 0 ? message : `${printPath(path)}: ${message}`
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
