import { z } from 'zod'

/** Bytes of a document, unless its reader says otherwise. */
const usualLimit = 1024 * 1024

/** A document of others that cannot be used. The message names the place and what was expected, never what stood there. */
export class ForeignJsonError extends Error {
  constructor(reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause })
    this.name = 'ForeignJsonError'
  }
}

/**
 * JSON that somebody else has written, such as a registry, an engine, the API server, an archive or a file of the machine
 * (RFC 8259, UTF-8): what the schema says of it, and nothing else. `limit`: bytes. Throws ForeignJsonError.
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
    // The parser's own message quotes what it met, which may be a secret.
    throw new ForeignJsonError('it is no JSON', cause)
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [{ path, message } = { path: [], message: 'it does not fit' }] = parsed.error.issues
  throw new ForeignJsonError(
    path.length === 0 ? message : `${z.core.toDotPath(path)}: ${message}`,
    parsed.error,
  )
}

/** Like `parseForeignJson`; undefined for what cannot be used. */
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
