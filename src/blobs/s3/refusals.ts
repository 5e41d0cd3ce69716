import { OciError } from '../../oci/oci-error.ts'
import type { ByteSource } from '../blob-store.ts'
import { isFull, S3Fault, S3Unreachable } from './s3-fault.ts'

/** Runs the work. What S3 refuses becomes OciError UNAVAILABLE or STORAGE_FULL. */
export async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw refusalOf(error)
  }
}

export async function* refusingSource(source: ByteSource): ByteSource & AsyncGenerator<Uint8Array> {
  try {
    yield* source
  } catch (error) {
    throw refusalOf(error)
  }
}

function refusalOf(error: unknown): unknown {
  if (isFull(error)) {
    return new OciError('STORAGE_FULL', 'the registry has no room left', {
      detail:
        'its bucket takes no more: delete what is not needed, or give the bucket more room, and push again',
      cause: error,
    })
  }
  if (!(error instanceof S3Fault || error instanceof S3Unreachable)) return error
  return new OciError('UNAVAILABLE', 'the content of the registry cannot be reached', {
    detail:
      'its object store does not answer, or refuses: try again in a moment; the log of the registry says more',
    headers: { 'Retry-After': '5' },
    cause: error,
  })
}
