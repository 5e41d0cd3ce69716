import { errorCode } from '../error-code.ts'
import { OciError, type OciErrorCode, type OciErrorEntry } from '../oci/oci-error.ts'
import { reasonOf } from '../reason-of.ts'
import { UserError } from '../user-error.ts'

/** An error as plain data: structured clone would keep only its name, message and stack. */
export interface PackedError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly cause: PackedError | undefined
  readonly oci?: {
    readonly code: OciErrorCode
    readonly detail: unknown
    readonly headers: Readonly<Record<string, string>>
    readonly entries: readonly OciErrorEntry[]
  }
  readonly user?: { readonly code: string; readonly hint: string | undefined; readonly exitCode: number }
  /** The code of an error of Node: `ENOSPC`. */
  readonly code?: string
}

/** Most nested causes that are kept. */
const longestChain = 5

export function packError(error: unknown, depth = longestChain): PackedError {
  const known = error instanceof Error ? error : new Error(reasonOf(error))
  const { name, message, stack, cause } = known
  const packed: PackedError = {
    name,
    message,
    stack,
    cause: cause === undefined || depth === 0 ? undefined : packError(cause, depth - 1),
  }
  if (known instanceof OciError) {
    const { code, detail, headers, entries } = known
    return { ...packed, oci: { code, detail, headers, entries } }
  }
  if (known instanceof UserError) {
    const { code, hint, exitCode } = known
    return { ...packed, user: { code, hint, exitCode } }
  }
  const code = errorCode(known)
  return code === undefined ? packed : { ...packed, code }
}

/** Restores an OciError or a UserError with its class, any other error as an Error with its name. */
export function unpackError(packed: PackedError): Error {
  const error = withClass(packed)
  if (packed.stack !== undefined) error.stack = packed.stack
  return error
}

function withClass({ name, message, cause: packedCause, oci, user, code }: PackedError): Error {
  const cause = packedCause && unpackError(packedCause)
  if (oci !== undefined) return new OciError(oci.code, message, { ...oci, cause })
  if (user !== undefined) {
    const { hint, exitCode } = user
    return new UserError(user.code, message, { exitCode, cause, ...(hint === undefined ? {} : { hint }) })
  }
  const error = new Error(message, cause === undefined ? undefined : { cause })
  return Object.assign(error, { name, ...(code === undefined ? {} : { code }) })
}
