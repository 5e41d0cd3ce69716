import pg from 'pg'

/** The server gave no answer: it is not known whether the last statement took effect. */
export class ConnectionLost extends Error {
  constructor(cause: unknown) {
    super(`the connection to PostgreSQL is lost: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
    this.name = 'ConnectionLost'
  }
}

/** The server only repeats what another one has written: it is not the registry's any more. */
export class Standby extends Error {
  constructor() {
    super('the PostgreSQL is a standby')
    this.name = 'Standby'
  }
}

/** What `pg` throws without an answer of the server becomes ConnectionLost. */
export function asServerError(error: unknown): unknown {
  return error instanceof pg.DatabaseError || error instanceof ConnectionLost
    ? error
    : new ConnectionLost(error)
}

/** The SQLSTATE of an answer of the server. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

/** Another transaction was in the way: the same one may succeed now. */
export function isConflict(error: unknown): boolean {
  return ['40P01', '40001', '23505'].includes(sqlState(error) ?? '')
}

/** The server goes away, comes back, has no connection left or takes no writes: another try may succeed soon. */
export function isAway(error: unknown): boolean {
  const state = sqlState(error)
  if (state === undefined) return error instanceof ConnectionLost || error instanceof Standby
  // 25P03: this side has been held up within a transaction for so long that the server has given that up.
  return ['57P01', '57P02', '57P03', '53300', '25006', '25P03'].includes(state) || state.startsWith('08')
}

/** After this error the connection is of no use: it is closed, ends soon, or leads to a standby. */
export function endsConnection(error: unknown): boolean {
  return isAway(error) && sqlState(error) !== '53300'
}

export function isFull(error: unknown): boolean {
  return sqlState(error) === '53100'
}

/** The statement has waited longer than `statement_timeout`. */
export function isTooSlow(error: unknown): boolean {
  return sqlState(error) === '57014'
}
