import type { NodeProblem } from '../cluster/node-report.ts'
import { errorCode } from '../error-code.ts'
import { reasonOf } from '../reason-of.ts'
import { UserError } from '../user-error.ts'

/** Why files of a node could not be changed, as a problem of its report. */
export function fileProblem(node: string, error: unknown): NodeProblem {
  const message = reasonOf(error)
  const code = errorCode(error)
  if (error instanceof UserError) {
    const { code: known, hint } = error
    return { code: known, message, ...(hint === undefined ? {} : { hint }), fatal: true }
  }
  const isForTheSystem = code === 'EROFS' || code === 'EACCES' || code === 'ENOSPC'
  return {
    code: 'FILES_NOT_WRITTEN',
    message: `files of node ${node} could not be changed: ${message}`,
    ...(isForTheSystem ? { hint: `On node ${node}: see whether the file system is full or read-only.` } : {}),
    fatal: true,
  }
}
