import { ownStatement } from './own-statement.ts'

/** SQL of the time of the server, in milliseconds since the epoch: processes may disagree about theirs. */
export const engineTime = '(extract(epoch from clock_timestamp()) * 1000)::bigint'

export const engineClock = ownStatement<{ now: number }>('clock', `select ${engineTime} as now`, [])
