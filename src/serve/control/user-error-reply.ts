import { jsonReply, type Reply } from '../../http/reply.ts'
import type { UserError } from '../../user-error.ts'

/** A refusal that the command prints as the error that it is. */
export function userErrorReply({ code, message, hint, exitCode }: UserError): Reply {
  return jsonReply(409, { code, message, hint, exitCode })
}
