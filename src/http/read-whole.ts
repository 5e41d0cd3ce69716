import { OciError } from '../oci/oci-error.ts'
import { HttpRefusal } from './http-refusal.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { RegistryRequest } from './registry-request.ts'

/** A small body that trickles would keep its part of the budget from others. */
const timeLimit = 60_000

/**
 * A small body in memory, within the budget that all requests share. `release` gives its bytes back. Throws
 * OciError MANIFEST_TOO_LARGE above `limit` bytes, REQUEST_INVALID (408) after 60 s.
 */
export async function readWhole(
  request: RegistryRequest,
  limit: number,
  budget: MemoryBudget,
): Promise<{ readonly body: Buffer; readonly release: () => void }> {
  const announced = request.bodyLength
  if (announced !== undefined && announced > limit) throw tooLarge(limit)
  const reserved = announced ?? limit
  await budget.acquire(reserved)
  const release = (): void => budget.release(reserved)
  try {
    return { body: await inTime(collect(request, limit)), release }
  } catch (error) {
    release()
    throw error
  }
}

async function inTime<Value>(work: Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    late.reject(
      new HttpRefusal(408, 'REQUEST_INVALID', 'the body came too slowly', {
        detail: `a manifest must be sent within ${timeLimit / 1000} s`,
      }),
    )
  }, timeLimit)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
    work.catch(() => undefined)
  }
}

async function collect(request: RegistryRequest, limit: number): Promise<Buffer> {
  if (!request.hasBody) return Buffer.alloc(0)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body().source) {
    size += chunk.byteLength
    if (size > limit) throw tooLarge(limit)
    // Copied: a chunk is valid only until the next one.
    chunks.push(Uint8Array.from(chunk))
  }
  return Buffer.concat(chunks, size)
}

function tooLarge(limit: number): OciError {
  return new OciError('MANIFEST_TOO_LARGE', 'the manifest is too large', {
    detail: `this registry takes manifests of up to ${limit} bytes`,
  })
}
