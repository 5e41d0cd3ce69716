import type { NodeProblem } from '../cluster/node-report.ts'
import type { Log } from '../log.ts'
import { reasonOf, stackOf } from '../reason-of.ts'
import type { MachineFacts, TrustChange } from '../trust/node-trust.ts'
import { UserError } from '../user-error.ts'
import { fileProblem } from './file-problem.ts'

/** Tells the log what was changed on the node, and what went wrong there; the latter becomes a problem of the report. */
export class TrustLog {
  readonly #node: string
  readonly #log: Log
  /** The last error about files in the log: an error that repeats is logged once. */
  #told: string | undefined

  constructor({ node, log }: { readonly node: string; readonly log: Log }) {
    this.#node = node
    this.#log = log
  }

  changed(changes: readonly TrustChange[]): void {
    if (changes.length > 0) this.#told = undefined
    for (const { action, path } of changes) this.#log.info('changed on the node', { action, path })
  }

  /** What is wrong with files of the node, where changing them failed. */
  problemOf(error: unknown): NodeProblem {
    const message = reasonOf(error)
    if (!(error instanceof UserError) && message !== this.#told) {
      this.#log.error('files of the node could not be changed', { error: message, stack: stackOf(error) })
      this.#told = message
    }
    return fileProblem(this.#node, error)
  }

  /** The facts of a node that could not be looked at. */
  unreadable(error: unknown): MachineFacts {
    const message = reasonOf(error)
    this.#log.error('the node could not be looked at', { error: message, stack: stackOf(error) })
    const problem = {
      code: 'NODE_UNREADABLE',
      message: `the node could not be looked at: ${message}`,
      fatal: true,
    }
    return {
      distribution: 'unknown',
      class: 'unsupported',
      runtime: { name: 'unknown', version: '' },
      socket: undefined,
      folder: undefined,
      kubeletCertificate: undefined,
      problems: [problem],
    }
  }
}
