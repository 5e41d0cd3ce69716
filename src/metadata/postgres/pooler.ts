/**
 * A pooler that gives a connection to the server away after each transaction. `prepared`: it knows which statements a
 * client has prepared. `unnamed`: it does not, so none is prepared.
 */
export type Pooler = 'prepared' | 'unnamed'

/** Milliseconds. A pooler refuses settings of a session: each transaction has its own (`Connection.run`). */
export const sessionLimits = { statement_timeout: 10_000, idle_in_transaction_session_timeout: 30_000 }
