import { OciError } from '../oci/oci-error.ts'
import type { BodyBudget, OpenBody } from './body-budget.ts'
import { HttpRefusal } from './http-refusal.ts'
import type { ServerRequest } from './server-request.ts'

/** The budget and the time limit of small request bodies. */
export interface BodyPlace {
  readonly budget: BodyBudget
  /** Milliseconds: a body that trickles in would hold its part of the budget too long. */
  readonly timeLimit: number
}

/**
 * Separate budgets for authenticated callers, for clients not yet identified, and for replies: none can use
 * up another's.
 */
export interface BodyPlaces {
  readonly callers: BodyPlace
  readonly strangers: BodyPlace
  readonly replies: BodyBudget
}

/**
 * A small body in memory, within a budget that all threads share. `release` gives its bytes back. Throws
 * OciError MANIFEST_TOO_LARGE above `limit` bytes; REQUEST_INVALID (408) after the place's time limit, or if
 * it is the slowest body while others wait; TOOMANYREQUESTS and UNAVAILABLE as the budget does.
 */
export async function readWhole(
  request: ServerRequest,
  limit: number,
  { budget, timeLimit }: BodyPlace,
): Promise<{ readonly body: Buffer; readonly release: () => void }> {
  const announced = request.bodyLength
  if (announced !== undefined && announced > limit) throw tooLarge(limit)
  const owner = budget.ownerOf(request.caller?.principal, request.presented.address)
  const begun = budget.begin(owner, announced ?? limit)
  const open = begun instanceof Promise ? await begun : begun
  try {
    return {
      body: await inTime(open, timeLimit, collect(request, limit, open)),
      release: () => open.release(),
    }
  } catch (error) {
    open.release()
    throw error
  }
}

async function inTime<Value>(open: OpenBody, timeLimit: number, work: Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    late.reject(tooSlow(`it must be sent within ${timeLimit / 1000} s`))
  }, timeLimit)
  open.onEnd = () => late.reject(tooSlow('others wait, and of all that are being read it was the slowest'))
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
    open.onEnd = undefined
    work.catch(() => undefined)
  }
}

async function collect(request: ServerRequest, limit: number, open: OpenBody): Promise<Buffer> {
  if (!request.hasBody) return Buffer.alloc(0)
  const chunks: Uint8Array[] = []
  let size = 0
  const chunksOfBody = request.body().source[Symbol.asyncIterator]()
  try {
    for (;;) {
      open.awaitClient()
      const { done, value } = await chunksOfBody.next()
      open.heard(value?.byteLength ?? 0)
      if (done === true) return joined(chunks, size)
      size += value.byteLength
      if (size > limit) throw tooLarge(limit)
      const room = open.take(value.byteLength)
      if (room !== undefined) await room
      // Copied: a chunk is valid only until the next one is requested.
      chunks.push(new Uint8Array(value))
    }
  } catch (error) {
    void chunksOfBody.return?.()
    throw error
  }
}

/** Most small bodies come in one chunk, which is not copied again. */
function joined(chunks: readonly Uint8Array[], size: number): Buffer {
  const [only] = chunks
  if (only === undefined || chunks.length > 1) return Buffer.concat(chunks, size)
  return Buffer.from(only.buffer, only.byteOffset, only.byteLength)
}

function tooLarge(limit: number): OciError {
  return new OciError('MANIFEST_TOO_LARGE', 'the manifest is too large', {
    detail: `this registry takes manifests of up to ${limit} bytes`,
  })
}

function tooSlow(detail: string): OciError {
  return new HttpRefusal(408, 'REQUEST_INVALID', 'the body came too slowly', { detail })
}
