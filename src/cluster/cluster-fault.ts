import { z } from 'zod'
import { errorCode } from '../error-code.ts'
import { tryForeignJson } from '../foreign-json.ts'
import { reasonOf } from '../reason-of.ts'

/** meta/v1 Status. */
const statusSchema = z.object({
  message: z.string().optional(),
  details: z
    .object({
      causes: z
        .array(
          z.object({
            reason: z.string().optional(),
            message: z.string().optional(),
            field: z.string().optional(),
          }),
        )
        .optional(),
    })
    .optional(),
})

/** One cause of a meta/v1 Status. */
export interface StatusCause {
  readonly reason?: string | undefined
  readonly message?: string | undefined
  readonly field?: string | undefined
}

/** Why the API server gave no usable response. Its message contains no credential. */
export class ClusterFault extends Error {
  /**
   * `unreachable`: no response, or 5xx; `busy`: 429; `unauthorized`: 401, the server does not know our credential;
   * `forbidden`: 403; `refused`: any other status.
   */
  readonly kind: 'unreachable' | 'busy' | 'unauthorized' | 'forbidden' | 'refused'
  readonly status: number | undefined
  /** From `Retry-After`, in seconds. */
  readonly retryAfter: number | undefined
  /** What the API server says about single fields (meta/v1 StatusDetails), such as `FieldManagerConflict`. */
  readonly causes: readonly StatusCause[]

  constructor(
    kind: ClusterFault['kind'],
    message: string,
    options: {
      status?: number
      retryAfter?: number | undefined
      causes?: readonly StatusCause[]
      cause?: unknown
    } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'ClusterFault'
    this.kind = kind
    this.status = options.status
    this.retryAfter = options.retryAfter
    this.causes = options.causes ?? []
  }
}

/** Converts an error of the client library; a ClusterFault is returned unchanged. */
export function toFault(error: unknown, server: string): ClusterFault {
  if (error instanceof ClusterFault) return error
  if (isAnswer(error))
    return faultOf({ status: error.code, headers: error.headers, body: error.body }, server, error)
  return new ClusterFault('unreachable', `no answer from ${server}: ${networkReason(error)}`, {
    cause: error,
  })
}

interface Failure {
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** A meta/v1 Status, or its JSON. */
  readonly body?: unknown
}

/** The `code` of a DOMException is a small number, not an HTTP status. */
function isAnswer(error: unknown): error is Failure & { readonly code: number } {
  if (typeof error !== 'object' || error === null || !('code' in error)) return false
  return typeof error.code === 'number' && error.code >= 100
}

/** The fault for a response whose status is outside 200 to 299. */
export function faultOf(
  { status, headers, body }: Failure & { readonly status: number },
  server: string,
  cause?: unknown,
): ClusterFault {
  const { message, details } = readStatus(body)
  const seconds = Number(headers?.['retry-after'])
  const options = {
    status,
    retryAfter: Number.isFinite(seconds) && seconds > 0 ? Math.ceil(seconds) : undefined,
    causes: details?.causes ?? [],
    ...(cause === undefined ? {} : { cause }),
  }
  const told = message === undefined ? '' : `: ${message.slice(0, 500)}`
  return new ClusterFault(kindOf(status), `${server} answered ${status}${told}`, options)
}

function kindOf(status: number): ClusterFault['kind'] {
  if (status >= 500) return 'unreachable'
  if (status === 429) return 'busy'
  if (status === 401) return 'unauthorized'
  return status === 403 ? 'forbidden' : 'refused'
}

function readStatus(body: unknown): z.infer<typeof statusSchema> {
  return (
    (typeof body === 'string' ? tryForeignJson(body, statusSchema) : statusSchema.safeParse(body).data) ?? {}
  )
}

function networkReason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  if ([error, cause].some((each) => each instanceof Error && each.name === 'TimeoutError'))
    return 'it took too long'
  return errorCode(cause) ?? (cause instanceof Error ? cause.message : reasonOf(error))
}
