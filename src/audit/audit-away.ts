import { reasonOf } from '../reason-of.ts'

/** The log cannot be read now: what holds it does not answer. It says nothing about the lines. */
export class AuditAway extends Error {
  constructor(cause: unknown) {
    super(`the audit log cannot be read now: ${reasonOf(cause)}`, { cause })
    this.name = 'AuditAway'
  }
}

/** Rejects with AuditAway where the work fails. */
export async function reach<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw new AuditAway(error)
  }
}
