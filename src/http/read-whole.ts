import { OciError } from '../oci/oci-error.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { RegistryRequest } from './registry-request.ts'

/**
 * A small body in memory, within the budget that all requests share. `release` gives its bytes back. Throws
 * OciError MANIFEST_TOO_LARGE above `limit` bytes.
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
    return { body: await collect(request, limit), release }
  } catch (error) {
    release()
    throw error
  }
}

async function collect(request: RegistryRequest, limit: number): Promise<Buffer> {
  if (!request.hasBody) return Buffer.alloc(0)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body().source) {
    size += chunk.byteLength
    if (size > limit) throw tooLarge(limit)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

function tooLarge(limit: number): OciError {
  return new OciError('MANIFEST_TOO_LARGE', 'the manifest is too large', {
    detail: `this registry takes manifests of up to ${limit} bytes`,
  })
}
