const code = 'LEASE_LOST'

/** Another collection or backup has taken the lease. What needed the lease has changed nothing. */
export class LeaseLost extends Error {
  /** Identifies the error in another thread, where its class is lost. */
  readonly code = code

  constructor() {
    super('the lease on the garbage was lost: the process was held up for longer than it lasts')
    this.name = 'LeaseLost'
  }
}

export function isLeaseLost(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === code
}
