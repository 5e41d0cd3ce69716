/** Why the API server gave no answer that can be used. Its message holds no credential. */
export class ClusterFault extends Error {
  /**
   * `unreachable`: no answer, or 5xx; `busy`: 429; `unauthorized`: it does not know our credential; `forbidden`: our
   * credential may not; `refused`: any other status.
   */
  readonly kind: 'unreachable' | 'busy' | 'unauthorized' | 'forbidden' | 'refused'
  readonly status: number | undefined
  /** Seconds. */
  readonly retryAfter: number | undefined

  constructor(
    kind: ClusterFault['kind'],
    message: string,
    options: { status?: number; retryAfter?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'ClusterFault'
    this.kind = kind
    this.status = options.status
    this.retryAfter = options.retryAfter
  }
}

/** Made from whatever the client library throws. */
export function toFault(error: unknown, server: string): ClusterFault {
  if (error instanceof ClusterFault) return error
  const { code: status, headers } = error as { code?: unknown; headers?: Record<string, string> }
  // A DOMException has a small number of its own there.
  if (typeof status !== 'number' || status < 100) {
    return new ClusterFault('unreachable', `no answer from ${server}: ${networkReason(error)}`, {
      cause: error,
    })
  }
  const told = statusMessage((error as { body?: unknown }).body)
  const seconds = Number(headers?.['retry-after'])
  const options = {
    status,
    retryAfter: Number.isFinite(seconds) && seconds > 0 ? Math.ceil(seconds) : undefined,
    cause: error,
  }
  const answered = `${server} answered ${status}${told === undefined ? '' : `: ${told}`}`
  if (status >= 500) return new ClusterFault('unreachable', answered, options)
  if (status === 429) return new ClusterFault('busy', answered, options)
  if (status === 401) return new ClusterFault('unauthorized', answered, options)
  if (status === 403) return new ClusterFault('forbidden', answered, options)
  return new ClusterFault('refused', answered, options)
}

/** Of a meta/v1 Status. */
function statusMessage(body: unknown): string | undefined {
  const parsed = typeof body === 'string' ? parseJson(body) : body
  const { message } = (parsed ?? {}) as { message?: unknown }
  return typeof message === 'string' ? message.slice(0, 500) : undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function networkReason(error: unknown): string {
  const { name, cause, message } = error as Error & { cause?: Error & { code?: string } }
  if (name === 'TimeoutError' || cause?.name === 'TimeoutError') return 'it took too long'
  return cause?.code ?? cause?.message ?? message
}
